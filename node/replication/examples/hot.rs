//! What the hub costs each write and each read of a node, in nanoseconds:
//! `cargo run --release -p shoal-replication --example hot`.

use std::hint::black_box;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use shoal_engine::{Engine, Eviction, Now, Settings};
use shoal_protos::replication::v1::{FollowHello, FollowRequest, FollowWant};
use shoal_replication::{Bounds, Copy, Hub, Source};

const TIMES: u32 = 10_000_000;

fn measure(what: &str, mut call: impl FnMut()) {
    let begun = Instant::now();
    for _ in 0..TIMES {
        call();
    }
    let each_ns = begun.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES);
    println!("{what:60} {each_ns:6.1} ns");
}

fn main() {
    let engine = Engine::new(Settings {
        partition_count: 2,
        maxmemory_bytes: 64 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 64,
        hash_seed: 1,
    });
    let hub = Arc::new(Hub::new(2, Bounds::default()));
    for partition in [0, 1] {
        let opened = hub.open(&engine, partition, 1, "a-1");
        opened.expect("it was closed");
    }
    measure("written, nobody follows", || hub.written(black_box(0)));
    measure("committed", || {
        black_box(hub.committed(black_box(0)));
    });
    measure("blocks_read, nothing pends", || {
        black_box(hub.blocks_read(&engine, black_box(0), 7));
    });
    measure("reserve and wrote, no copy required", || {
        let reserved = hub.reserve(black_box(0), 7).expect("it is served");
        black_box(reserved.wrote(1));
    });
    let mut source = Source::new(hub.clone(), "c");
    let asked = FollowRequest {
        hello: Some(FollowHello {
            node: "b".into(),
            cluster_id: "c".into(),
            ..Default::default()
        }),
        wants: vec![FollowWant {
            partition: 1,
            epoch: 1,
            copy_id: "b-1".into(),
            number: 1,
            ..FollowWant::default()
        }],
        ..FollowRequest::default()
    };
    let taken = source.receive(&engine, asked, Now(1));
    taken.expect("it keeps to the protocol");
    measure("written, followed, the stream knows", || {
        hub.written(black_box(1));
    });
    measure("written, followed, and the stream looks each time", || {
        hub.written(black_box(1));
        black_box(source.next(&engine, Now(1), 4096, Waker::noop()));
    });
    let copy = Copy::new("b", "b-1");
    hub.require(&engine, 1, &[copy], 2).expect("it is served");
    let reserved = hub.reserve(1, 1).expect("it is served");
    measure("blocks_read of another key, one pends", || {
        black_box(hub.blocks_read(&engine, black_box(1), 7));
    });
    drop(reserved);
}
