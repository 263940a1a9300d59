//! The loop: every connection is kept as busy as asked, for as long as asked.
//!
//! Closed: a request is sent when one is answered. Paced (`--rate`): requests are due at
//! even distances, and a latency counts from when its request was due, so that a pause of
//! the server is seen by all who would have asked meanwhile. A paced load with a core of its
//! own watches the clock; without one it sleeps until the next request is due, which is sent
//! up to a millisecond late: what watches the clock on a core takes it from all others there.

use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::arguments::Arguments;
use crate::clock::{boottime, cpu_of, own_cpu};
use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::keys::Draw;
use crate::report::Report;
use crate::work::{Request, Work};

/// A server that says nothing for so long has failed.
const SILENCE: Duration = Duration::from_secs(10);

/// What is due and finds no free stream waits for an answer, and looks again this late.
const LATE_LOOK: Duration = Duration::from_millis(1);

/// Load the server; the error is a sentence.
pub(crate) fn run(arguments: &Arguments) -> Result<Report, String> {
    pin(arguments)?;
    let mut load = Load::open(arguments)?;
    if arguments.is_fill {
        load.begin()?;
        load.go(|load| load.is_exhausted && load.in_flight() == 0)?;
    } else {
        let warm = load.now_us() + us(arguments.warm_up_seconds);
        load.go(|load| load.now_us() >= warm)?;
        load.begin()?;
        let end = load.now_us() + us(arguments.seconds);
        let last = end + 4 * us(arguments.seconds);
        load.go(|load| {
            let enough = load.report.operations >= arguments.operations_min;
            load.now_us() >= if enough { end } else { last }
        })?;
    }
    load.finish()
}

fn us(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

fn pin(arguments: &Arguments) -> Result<(), String> {
    let Some(core) = arguments.core else {
        return Ok(());
    };
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores)
        .map_err(|error| format!("--core {core} cannot be taken: {error}"))
}

struct Load<'a> {
    arguments: &'a Arguments,
    poll: Poll,
    connections: Vec<Connection>,
    work: Work,
    draw: Draw,
    /// The fill has handed out its last key.
    is_exhausted: bool,
    /// Keys of the request to come.
    keys: Vec<u64>,
    started: Instant,
    /// Paced: when the next request is due, in microseconds since `started`.
    due_us: f64,
    /// Where to look for a free stream first.
    turn: usize,
    began: Began,
    report: Report,
}

/// Where the clocks stood when measuring began.
#[derive(Clone, Copy, Default)]
struct Began {
    us: u64,
    server_cpu: Duration,
    loader_cpu: Duration,
}

impl<'a> Load<'a> {
    fn open(arguments: &'a Arguments) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("no epoll: {error}"))?;
        let mut connections = Vec::new();
        for token in 0..arguments.connections {
            let mut connection = Connection::open(arguments)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut connection.socket, Token(token), interest)
                .map_err(|error| format!("no epoll: {error}"))?;
            connection.flush()?;
            connections.push(connection);
        }
        let (first, count) = (arguments.first_key, arguments.keys);
        Ok(Self {
            arguments,
            poll,
            connections,
            work: Work::new(arguments),
            draw: match arguments.is_fill {
                true => Draw::in_order(first, count),
                false => Draw::at_random(arguments.seed, first, count),
            },
            is_exhausted: false,
            keys: Vec::new(),
            started: Instant::now(),
            due_us: 0.0,
            turn: 0,
            began: Began::default(),
            report: Report {
                operations: 0,
                requests: 0,
                elapsed: Duration::ZERO,
                server_cpu: Duration::ZERO,
                loader_cpu: Duration::ZERO,
                latencies: Histogram::new(),
                late: 0,
                slices_from_ms: 0,
                slices: Vec::new(),
            },
        })
    }

    fn now_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn in_flight(&self) -> usize {
        self.connections.iter().map(Connection::in_flight).sum()
    }

    /// Forget what was counted, and measure from here.
    fn begin(&mut self) -> Result<(), String> {
        (
            self.report.operations,
            self.report.requests,
            self.report.late,
        ) = (0, 0, 0);
        self.report.latencies = Histogram::new();
        self.report.slices.clear();
        self.report.slices_from_ms = boottime().as_millis() as u64;
        self.began = Began {
            server_cpu: cpu_of(self.arguments.server_pid)?,
            loader_cpu: own_cpu(),
            us: self.now_us(),
        };
        Ok(())
    }

    fn finish(mut self) -> Result<Report, String> {
        let (pid, began) = (self.arguments.server_pid, self.began);
        self.report.server_cpu = cpu_of(pid)?.saturating_sub(began.server_cpu);
        self.report.loader_cpu = own_cpu().saturating_sub(began.loader_cpu);
        self.report.elapsed = Duration::from_micros(self.now_us() - began.us);
        if self.report.operations == 0 {
            return Err("nothing was answered in the time given".into());
        }
        Ok(self.report)
    }

    /// Until `is_over`, which is asked after each round of events.
    fn go(&mut self, is_over: impl Fn(&Self) -> bool) -> Result<(), String> {
        let is_paced = self.arguments.rate > 0;
        let mut events = Events::with_capacity(1024);
        let mut heard = Instant::now();
        self.due_us = self.due_us.max(self.now_us() as f64);
        self.ask_all()?;
        while !is_over(self) {
            let patience = match (is_paced, self.arguments.core) {
                (false, _) => SILENCE,
                (true, Some(_)) => Duration::ZERO,
                (true, None) => self.until_due(),
            };
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.map_err(|error| format!("epoll failed: {error}"))?,
            }
            if !events.is_empty() {
                heard = Instant::now();
            } else if heard.elapsed() >= SILENCE {
                return Err(format!(
                    "the server said nothing for {} s",
                    SILENCE.as_secs()
                ));
            }
            for event in &events {
                self.serve(event.token().0, event.is_readable())?;
            }
            if is_paced {
                self.ask_all()?;
            }
        }
        Ok(())
    }

    fn serve(&mut self, at: usize, is_readable: bool) -> Result<(), String> {
        if is_readable {
            let now_us = self.now_us();
            let (report, slice_ms) = (&mut self.report, self.arguments.slice_ms);
            let began_us = self.began.us;
            self.connections[at].read(&mut self.work, |request| {
                count(report, request, now_us, began_us, slice_ms);
            })?;
        }
        if self.arguments.rate == 0 {
            self.ask(at)?;
        }
        self.connections[at].flush()
    }

    fn ask_all(&mut self) -> Result<(), String> {
        if self.arguments.rate > 0 {
            return self.ask_due();
        }
        for at in 0..self.connections.len() {
            self.ask(at)?;
            self.connections[at].flush()?;
        }
        Ok(())
    }

    /// Fill the free streams of a connection.
    fn ask(&mut self, at: usize) -> Result<(), String> {
        let now_us = self.now_us();
        while self.connections[at].is_free() {
            if !self.draw_keys() {
                return Ok(());
            }
            if !self.connections[at].ask(&mut self.keys, now_us, &self.work)? {
                return Ok(());
            }
            self.keys.clear();
        }
        Ok(())
    }

    /// How long the next request is not due, or what is late waits for a free stream.
    fn until_due(&self) -> Duration {
        match (self.due_us - self.now_us() as f64).ceil() {
            left_us if left_us > 0.0 => Duration::from_micros(left_us as u64),
            _ => LATE_LOOK,
        }
    }

    /// Send what is due, on whichever connection has a free stream.
    fn ask_due(&mut self) -> Result<(), String> {
        let distance_us = 1e6 / self.arguments.rate as f64;
        while self.due_us <= self.now_us() as f64 {
            let count = self.connections.len();
            let free = (0..count)
                .map(|step| (self.turn + step) % count)
                .find(|&at| self.connections[at].is_free());
            let Some(at) = free else {
                self.report.late += 1;
                return Ok(());
            };
            self.turn = at + 1;
            self.draw_keys();
            let due_us = self.due_us as u64;
            if !self.connections[at].ask(&mut self.keys, due_us, &self.work)? {
                return Ok(());
            }
            self.keys.clear();
            self.connections[at].flush()?;
            self.due_us += distance_us;
        }
        Ok(())
    }

    /// The keys of the next request; those of one that had to wait stay. False: none left.
    fn draw_keys(&mut self) -> bool {
        while self.keys.len() < self.arguments.batch {
            let Some(key) = self.draw.draw() else {
                self.is_exhausted = true;
                break;
            };
            self.keys.push(key);
        }
        !self.keys.is_empty()
    }
}

fn count(report: &mut Report, request: &Request, now_us: u64, began_us: u64, slice_ms: u64) {
    let latency_us = now_us.saturating_sub(request.asked_us);
    report.requests += 1;
    report.operations += request.keys.len() as u64;
    report.latencies.record(latency_us);
    if slice_ms > 0 {
        // By when it was due: what a pause did stands where the pause began.
        let at = (request.asked_us.saturating_sub(began_us) / (slice_ms * 1000)) as usize;
        while report.slices.len() <= at {
            report.slices.push(Histogram::new());
        }
        report.slices[at].record(latency_us);
    }
}
