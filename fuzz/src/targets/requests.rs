//! Requests of every method, as bytes, to the service of a node that serves everything.
//!
//! Whatever comes, an answer comes: a response that prost reads, with one result for
//! each thing asked, or a failure that names its reason. What prost does not take is
//! refused as malformed, and nothing else changes the node: what was stored is read
//! back as it was given.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_protos::v1;
use shoal_server::failure::Failure;
use shoal_server::service::{CacheService, Method, Unanswered};
use shoal_server::{Eviction, Limits, Settings, fuzzing};

use crate::input::Input;

const BATCH_MAX: usize = 40;
const PARTITIONS: u32 = 4;
const REQUESTS_MAX: usize = 24;

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let service = fuzzing::service(settings());
    for _ in 0..REQUESTS_MAX {
        if input.is_empty() {
            return;
        }
        let method = Method::ALL[usize::from(input.byte()) % Method::ALL.len()];
        let length = match input.byte() {
            255 => usize::MAX,
            length => length.into(),
        };
        let request = Bytes::copy_from_slice(input.take(length));
        ask(&service, method, request);
    }
}

fn settings() -> Settings {
    Settings {
        node_id: "a".into(),
        listen: String::new(),
        partition_count: PARTITIONS,
        maxmemory_bytes: 1 << 20,
        value_bytes_max: 4096,
        key_bytes_max: 32,
        eviction: Eviction::S3Fifo,
        hash_seed: 3,
        limits: Limits {
            batch_max: BATCH_MAX,
            ..Limits::default()
        },
        tls: None,
    }
}

fn ask(service: &CacheService, method: Method, request: Bytes) {
    match method {
        Method::Get if may_wait(&request) => {
            // Nobody loads here: who waits gives up.
            let _ = service.handle(method, request, None, &mut BytesMut::new());
        }
        Method::Get => one::<v1::GetRequest, v1::GetResponse>(service, method, request),
        Method::Set => {
            one::<v1::SetRequest, v1::SetResponse>(service, method, request.clone());
            is_read_back(service, &request);
        }
        Method::Incr => one::<v1::IncrRequest, v1::IncrResponse>(service, method, request),
        Method::Touch => one::<v1::TouchRequest, v1::TouchResponse>(service, method, request),
        Method::ReleaseFill => {
            one::<v1::ReleaseFillRequest, v1::ReleaseFillResponse>(service, method, request);
        }
        Method::Del => {
            let counts = |asked: &v1::DelRequest, told: &v1::DelResponse| {
                assert!(told.deleted as usize <= asked.keys.len());
                (asked.keys.len(), told.versions.len())
            };
            many(service, method, request, counts);
        }
        Method::MGet => {
            let counts = |asked: &v1::MGetRequest, told: &v1::MGetResponse| {
                (asked.keys.len(), told.entries.len())
            };
            many(service, method, request, counts);
        }
        Method::MSet => {
            let counts = |asked: &v1::MSetRequest, told: &v1::MSetResponse| {
                (asked.entries.len(), told.results.len())
            };
            many(service, method, request, counts);
        }
        Method::InvalidateTag => {
            let partitions = |asked: &v1::InvalidateTagRequest| match &asked.partitions[..] {
                [] => PARTITIONS as usize,
                named => BTreeSet::from_iter(named).len(),
            };
            let counts = |asked: &v1::InvalidateTagRequest, told: &v1::InvalidateTagResponse| {
                (partitions(asked), told.versions.len())
            };
            many(service, method, request, counts);
        }
        Method::Execute => execute(service, request),
        Method::WatchTopology => {
            if service.watch(method, &request).is_ok() {
                assert!(v1::WatchTopologyRequest::decode(request).is_ok());
            }
        }
        Method::WatchInvalidations => {
            if service.watch(method, &request).is_ok() {
                assert!(v1::WatchInvalidationsRequest::decode(request).is_ok());
            }
        }
    }
}

/// Whether it asks to wait for another's load.
fn may_wait(request: &Bytes) -> bool {
    let asked = v1::GetRequest::decode(request.clone());
    asked.is_ok_and(|asked| asked.fill.is_some_and(|fill| fill.wait_ms > 0))
}

/// What was there before an answer is appended.
const BEFORE: &[u8] = b"before";

/// Everything is served here, so that every answer comes at once.
fn told(ask: impl FnOnce(&mut BytesMut) -> Result<(), Unanswered>) -> Result<Bytes, Failure> {
    let mut out = BytesMut::from(BEFORE);
    match ask(&mut out) {
        Ok(()) => {
            let mut out = out.freeze();
            assert_eq!(out.split_to(BEFORE.len()), BEFORE);
            Ok(out)
        }
        Err(Unanswered::Failed(failure)) => Err(failure),
        Err(Unanswered::Later(_)) => panic!("it waits on a node that serves everything"),
    }
}

fn answer(service: &CacheService, method: Method, request: Bytes) -> Result<Bytes, Failure> {
    told(|out| service.handle(method, request, None, out))
}

fn one<Q: Message + Default, A: Message + Default>(
    service: &CacheService,
    method: Method,
    request: Bytes,
) {
    many::<Q, A>(service, method, request, |_, _| (1, 1));
}

fn many<Q: Message + Default, A: Message + Default>(
    service: &CacheService,
    method: Method,
    request: Bytes,
    counts: impl Fn(&Q, &A) -> (usize, usize),
) {
    let asked = Q::decode(request.clone());
    match (asked, answer(service, method, request)) {
        (Ok(asked), Ok(told)) => {
            let told = A::decode(told).expect("a response that prost reads");
            let (asked, told) = counts(&asked, &told);
            assert_eq!(asked, told);
            assert!(asked <= BATCH_MAX);
        }
        (Ok(_), Err(failure)) => assert!(failure.reason().is_some()),
        (Err(_), Err(Failure::Malformed(_) | Failure::BatchTooLarge(_))) => {}
        (Err(error), told) => panic!("{told:?} where prost says: {error}"),
    }
}

/// After a Set that was answered with success the key holds what the Set said.
fn is_read_back(service: &CacheService, request: &Bytes) {
    let Ok(asked) = v1::SetRequest::decode(request.clone()) else {
        return;
    };
    let get = v1::GetRequest {
        key: asked.key.clone(),
        ..Default::default()
    };
    let again = answer(service, Method::Set, request.clone());
    let Ok(told) = again.map(|told| v1::SetResponse::decode(told).unwrap()) else {
        return;
    };
    let found = answer(service, Method::Get, get.encode_to_vec().into()).unwrap();
    let found = v1::GetResponse::decode(found).unwrap();
    if !told.applied {
        // Where an entry stands, it is the one that the answer names.
        let is_there = found.status != v1::Status::Miss as i32;
        assert_eq!(found.version, told.version.filter(|_| is_there));
        return;
    }
    let expected = match asked.absent {
        true => v1::Status::Absent,
        false => v1::Status::Hit,
    };
    assert_eq!(found.status, expected as i32);
    assert_eq!((&found.value, found.version), (&asked.value, told.version));
    // Longer ones are cut to what an entry can hold.
    if asked.ttl_ms < 1 << 39 && asked.fresh_ms < 1 << 39 {
        assert_eq!(
            (found.ttl_ms, found.fresh_ms),
            (asked.ttl_ms, asked.fresh_ms)
        );
    }
    // By any of its tags it is gone.
    if let Some(tag) = asked.tags.into_iter().next() {
        let invalidation = v1::InvalidateTagRequest {
            tag,
            ..Default::default()
        };
        let request = invalidation.encode_to_vec().into();
        answer(service, Method::InvalidateTag, request).unwrap();
        let found = answer(service, Method::Get, get.encode_to_vec().into()).unwrap();
        let found = v1::GetResponse::decode(found).unwrap();
        assert_eq!(found.status, v1::Status::Miss as i32);
    }
}

fn execute(service: &CacheService, request: Bytes) {
    let asked = v1::ExecuteRequest::decode(request.clone());
    // A message that cannot be read is answered with an error of its own.
    let told = told(|out| service.execute(request, None, out)).unwrap();
    let told = v1::ExecuteResponse::decode(told).expect("a response that prost reads");
    match asked {
        Ok(asked) if told.error.is_none() => {
            assert_eq!(told.id, asked.id);
            assert_eq!(told.results.len(), asked.operations.len());
            assert!(told.results.iter().all(|result| result.result.is_some()));
        }
        Ok(asked) => assert!(asked.operations.len() > BATCH_MAX),
        Err(error) => assert!(told.error.is_some(), "prost says: {error}"),
    }
}
