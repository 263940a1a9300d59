//! The server under attack: this test binary, run again as a process of its own,
//! so that its memory is told apart from the attacker's.
//!
//! It takes its bounds from the environment and commands from its standard input,
//! and ends when that does.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use prost::Message;
use shoal_server::slot::partition_of;
use shoal_server::{DataPlane, Limits, Settings, boottime_ns};

use crate::attacker::DEADLINE;
use crate::support::{self, PARTITIONS};

/// Holds `name=number` pairs, and is there only in the server's process.
/// Of the server under attack.
pub(crate) const WORKER_THREADS: usize = 2;
const BOUNDS: &str = "SHOAL_HOSTILE_BOUNDS";

/// Stands before each line of the server's, among those of the test harness.
const MARK: &str = "hostile-server ";

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A server, seen from outside.
pub(crate) struct Server {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Start one with these bounds, such as `connections_max=10`.
    pub(crate) fn start(bounds: &str) -> Server {
        allow_files();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["process::serve", "--exact", "--ignored", "--nocapture"])
            .env(BOUNDS, bounds)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let talk = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        let talk = Mutex::new(talk);
        let address = heard(&mut talk.lock().unwrap().1).parse().unwrap();
        Server {
            child,
            talk,
            address,
        }
    }

    fn ask(&self, command: &str) -> String {
        let (input, output) = &mut *self.talk.lock().unwrap();
        writeln!(input, "{command}").unwrap();
        heard(output)
    }

    fn count(&self, command: &str) -> usize {
        self.ask(command).parse().unwrap()
    }

    /// Connections as the server counts them.
    pub(crate) fn connections(&self) -> usize {
        self.count("connections")
    }

    /// Panics of any task so far.
    pub(crate) fn panics(&self) -> usize {
        self.count("panics")
    }

    /// Let requests for the key's partition wait.
    pub(crate) fn freeze(&self, key: &str) {
        self.ask(&format!("freeze {key}"));
    }

    /// Install a topology with so many nodes that serve nothing, as the revision of
    /// that number.
    pub(crate) fn install_topology(&self, nodes: usize) {
        self.ask(&format!("topology {nodes}"));
    }

    /// The key's partition is another node's from now on.
    pub(crate) fn hand_over(&self, key: &str, address: &str) {
        self.ask(&format!("hand_over {key} {address}"));
    }

    pub(crate) fn thaw(&self, key: &str) {
        self.ask(&format!("thaw {key}"));
    }

    /// Wait until no more than so many connections are left.
    pub(crate) fn until_connections(&self, left: usize) {
        self.until(&format!("{left} connections are left"), || {
            self.connections() <= left
        });
    }

    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + DEADLINE;
        while !is_so() {
            assert!(Instant::now() < end, "not in time: {what}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Memory now, and at most so far.
    pub(crate) fn memory_bytes(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            kib * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn heard(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the server ended");
        if let Some((_, told)) = line.split_once(MARK) {
            return told.trim_end().to_owned();
        }
    }
}

/// Open files that a process may have: as many as it can get, up to what is needed.
pub(crate) fn allow_files() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls are given a valid rlimit and keep no pointer to it.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(20_000);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    limit.rlim_cur
}

#[test]
#[ignore = "the process that the other tests attack"]
fn serve() {
    let Ok(bounds) = std::env::var(BOUNDS) else {
        return;
    };
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        shown(panic);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings {
        limits: limits(&bounds),
        ..support::settings("a")
    };
    let plane = DataPlane::new(settings).unwrap();
    let address = runtime.block_on(plane.start()).unwrap();
    plane.set_lease_deadline(boottime_ns() + 3_600_000_000_000);
    for partition in 0..PARTITIONS {
        plane.open_partition(partition, 1, "c-1").unwrap();
    }
    println!("{MARK}{address}");
    for command in std::io::stdin().lines() {
        let command = command.unwrap();
        println!("{MARK}{}", obeyed(&plane, &command));
    }
    std::process::exit(0);
}

fn obeyed(plane: &DataPlane, command: &str) -> usize {
    let partition = |key: &str| partition_of(key.as_bytes(), PARTITIONS);
    match command.split_once(' ').unwrap_or((command, "")) {
        ("connections", _) => plane.stats().connections,
        ("panics", _) => PANICS.load(Ordering::Relaxed),
        ("freeze", key) => {
            plane.freeze_partition(partition(key)).unwrap();
            0
        }
        ("topology", nodes) => {
            let count: u32 = nodes.parse().unwrap();
            let names: Vec<String> = (0..count).map(|n| format!("node-{n:060}")).collect();
            let nodes: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "a:1")).collect();
            let owned = [(1, "a"); PARTITIONS as usize];
            let topology = support::topology(count.into(), &nodes, &owned).encode_to_vec();
            assert!(plane.install_topology(&topology).unwrap());
            topology.len()
        }
        ("hand_over", asked) => {
            let (key, address) = asked.split_once(' ').unwrap();
            let mut owned = [(1, "a"); PARTITIONS as usize];
            owned[partition(key) as usize] = (2, "b");
            let nodes = [("a", "a:1"), ("b", address)];
            let topology = support::topology(1, &nodes, &owned).encode_to_vec();
            assert!(plane.install_topology(&topology).unwrap());
            plane.close_partition(partition(key)).unwrap();
            0
        }
        ("thaw", key) => {
            plane.thaw_partition(partition(key)).unwrap();
            0
        }
        _ => panic!("no such command: {command}"),
    }
}

fn limits(bounds: &str) -> Limits {
    let mut limits = Limits::default();
    for bound in bounds.split_whitespace() {
        let (name, number) = bound.split_once('=').unwrap();
        let count: usize = number.parse().unwrap();
        let time = Duration::from_millis(number.parse().unwrap());
        match name {
            "connections_max" => limits.connections_max = count,
            "watchers_max" => limits.watchers_max = count,
            "forwards_max" => limits.forwards_max = count,
            "parked_max" => limits.parked_max = count,
            "handshake_timeout_ms" => limits.handshake_timeout = time,
            "idle_timeout_ms" => limits.idle_timeout = time,
            "frozen_wait_ms" => limits.frozen_wait = time,
            "default_deadline_ms" => limits.default_deadline = time,
            "body_timeout_ms" => limits.body_timeout = time,
            "stall_timeout_ms" => limits.stall_timeout = time,
            "held_bytes_max" => limits.held_bytes_max = count,
            "keepalive_timeout_ms" => limits.keepalive_timeout = time,
            "keepalive_ms" => {
                limits.keepalive_interval = time;
                limits.keepalive_timeout = time;
            }
            _ => panic!("no such bound: {name}"),
        }
    }
    limits
}
