//! Fill leases beside a plain model of them: whoever asks, stores, deletes, gives back,
//! waits, leaves or comes too late, in any order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use proptest::prelude::*;
use shoal_engine::{
    Engine, Eviction, FillAsk, FillBounds, FillCounts, FillToken, Filled, Full, Increment, Now,
    Refused, SetOutcome, Settings, Turn, Write,
};

const KEYS: usize = 4;
const BOUNDS: FillBounds = FillBounds {
    partition_leases_max: 3,
    leases_max: 1000,
    waiters_max: 6,
};

fn engine(maxmemory_bytes: usize) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: 2,
        maxmemory_bytes,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 1 << 16,
        hash_seed: 3,
    });
    engine.open(0, 1).unwrap();
    engine
}

fn write(value: &[u8]) -> Write<'_> {
    Write {
        value,
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    }
}

fn ask(lease_ms: u64, waits: bool) -> FillAsk {
    FillAsk {
        lease_ms,
        waits,
        holder: 1,
        secret: 7,
        bounds: BOUNDS,
        fresh_only: false,
        refresh_only: false,
        early_permille: 0,
    }
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        key: usize,
        waits: bool,
        lease_ms: u64,
        holder: u64,
    },
    Turn {
        waiter: usize,
    },
    Leave {
        waiter: usize,
        ran_out: bool,
    },
    Set {
        key: usize,
    },
    Incr {
        key: usize,
    },
    Delete {
        key: usize,
    },
    /// With one of the tokens that were given, good or not, and its own key or another.
    Fill {
        token: usize,
        off_by: usize,
    },
    Release {
        token: usize,
    },
    Gone {
        holder: u64,
    },
    Wait {
        ms: u64,
    },
    EndInTime,
    /// Demoted, and promoted under the next epoch.
    NewEpoch,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS;
    let which = 0..64_usize;
    let step = prop_oneof![
        12 => (key.clone(), prop::bool::weighted(0.8), 1..40_u64, 0..3_u64).prop_map(
            |(key, waits, lease_ms, holder)| Step::Ask { key, waits, lease_ms, holder }
        ),
        6 => which.clone().prop_map(|waiter| Step::Turn { waiter }),
        3 => (which.clone(), any::<bool>())
            .prop_map(|(waiter, ran_out)| Step::Leave { waiter, ran_out }),
        1 => key.clone().prop_map(|key| Step::Set { key }),
        1 => key.clone().prop_map(|key| Step::Incr { key }),
        6 => key.prop_map(|key| Step::Delete { key }),
        4 => (which.clone(), prop_oneof![4 => Just(0), 1 => Just(1_usize)])
            .prop_map(|(token, off_by)| Step::Fill { token, off_by }),
        2 => which.prop_map(|token| Step::Release { token }),
        1 => (0..3_u64).prop_map(|holder| Step::Gone { holder }),
        4 => (0..15_u64).prop_map(|ms| Step::Wait { ms }),
        2 => Just(Step::EndInTime),
        1 => Just(Step::NewEpoch),
    ];
    prop::collection::vec(step, 1..200)
}

/// What the model knows of a lease.
struct Lease {
    number: u64,
    taken: Option<(u64, u64)>,
    until_ms: u64,
    line: VecDeque<(u64, u64)>,
}

/// A caller that was told to wait.
struct Waiting {
    key: usize,
    number: u64,
    ask: FillAsk,
    bell: Arc<Bell>,
    /// It was woken, by what the model says.
    is_woken: bool,
    /// Whether the engine has its waker.
    is_heard: bool,
}

struct Model {
    now_ms: u64,
    epoch: u64,
    values: [bool; KEYS],
    leases: [Option<Lease>; KEYS],
    waiting: Vec<Waiting>,
    tokens: Vec<(usize, FillToken)>,
    counts: FillCounts,
    secrets: u64,
}

impl Model {
    fn line(&self) -> usize {
        let leases = self.leases.iter().flatten();
        leases.map(|lease| lease.line.len()).sum()
    }

    fn woken(&mut self, number: u64) {
        let waiting = self.waiting.iter_mut().find(|it| it.number == number);
        waiting.expect("it is told to wait first").is_woken = true;
    }

    fn pass_on(&mut self, key: usize) {
        let Some(lease) = &mut self.leases[key] else {
            return;
        };
        match lease.line.pop_front() {
            None => self.leases[key] = None,
            Some((number, lease_ms)) => {
                lease.number = number;
                lease.taken = None;
                lease.until_ms = self.now_ms + lease_ms;
                self.counts.passed += 1;
                self.woken(number);
            }
        }
    }

    fn value_came(&mut self, key: usize) {
        self.values[key] = true;
        if let Some(lease) = self.leases[key].take() {
            for (number, _) in lease.line {
                self.woken(number);
            }
        }
    }

    fn is_good(&self, key: usize, token: FillToken) -> bool {
        token.epoch == self.epoch
            && self.leases[key].as_ref().is_some_and(|lease| {
                lease.number == token.number
                    && lease
                        .taken
                        .is_some_and(|(_, secret)| secret == token.secret)
                    && self.now_ms < lease.until_ms
            })
    }

    fn pass_on_where(&mut self, is_over: impl Fn(&Lease) -> bool) {
        for key in 0..KEYS {
            if self.leases[key].as_ref().is_some_and(&is_over) {
                self.pass_on(key);
            }
        }
    }

    fn ask(&mut self, key: usize, ask: FillAsk) -> Filled<()> {
        if self.values[key] {
            return Filled::Found(());
        }
        let now_ms = self.now_ms;
        if self.leases[key]
            .as_ref()
            .is_some_and(|it| it.until_ms <= now_ms)
        {
            self.pass_on(key);
        }
        let (leases, line) = (self.leases.iter().flatten().count(), self.line());
        match &mut self.leases[key] {
            Some(_) if !ask.waits => Filled::Held,
            Some(_) if line == BOUNDS.waiters_max => {
                self.counts.full += 1;
                Filled::Full(Full::Waiters)
            }
            // The engine's own numbers are filled in by who compares.
            Some(_) => Filled::Waits(0),
            None if leases == BOUNDS.partition_leases_max => {
                self.counts.full += 1;
                Filled::Full(Full::Leases)
            }
            None => {
                self.counts.given += 1;
                Filled::Given(FillToken {
                    epoch: self.epoch,
                    number: 0,
                    secret: ask.secret,
                })
            }
        }
    }
}

fn name(key: usize) -> [u8; 8] {
    (key as u64).to_le_bytes()
}

fn apply(model: &mut Model, engine: &Engine, step: &Step) {
    let now = Now(model.now_ms);
    match *step {
        Step::Ask {
            key,
            waits,
            lease_ms,
            holder,
        } => {
            model.secrets += 1;
            let asked = FillAsk {
                holder,
                secret: model.secrets,
                ..ask(lease_ms, waits)
            };
            let expected = model.ask(key, asked);
            let told = engine
                .get_or_fill(0, &name(key), &asked, now, |_| ())
                .unwrap();
            match (expected, told) {
                (Filled::Given(expected), Filled::Given(token)) => {
                    assert_eq!(
                        (token.epoch, token.secret),
                        (expected.epoch, expected.secret)
                    );
                    model.leases[key] = Some(Lease {
                        number: token.number,
                        taken: Some((holder, asked.secret)),
                        until_ms: model.now_ms + lease_ms,
                        line: VecDeque::new(),
                    });
                    model.tokens.push((key, token));
                }
                (Filled::Waits(_), Filled::Waits(number)) => {
                    let lease = model.leases[key].as_mut().unwrap();
                    lease.line.push_back((number, lease_ms));
                    model.waiting.push(Waiting {
                        key,
                        number,
                        ask: asked,
                        bell: Arc::default(),
                        is_woken: false,
                        is_heard: false,
                    });
                }
                (expected, told) => assert_eq!(expected, told),
            }
        }
        Step::Turn { waiter } => {
            if model.waiting.is_empty() {
                return;
            }
            let at = waiter % model.waiting.len();
            let waiting = &mut model.waiting[at];
            let (key, number, asked) = (waiting.key, waiting.number, waiting.ask);
            let waker = Waker::from(waiting.bell.clone());
            let told = engine.fill_turn(0, &name(key), number, &asked, &waker);
            let lease = model.leases[key].as_mut();
            match lease {
                Some(lease) if lease.number == number => {
                    lease.taken = Some((asked.holder, asked.secret));
                    let token = FillToken {
                        epoch: model.epoch,
                        number,
                        secret: asked.secret,
                    };
                    assert_eq!(told, Turn::Given(token));
                    model.tokens.push((key, token));
                    model.waiting.swap_remove(at);
                }
                Some(lease) if lease.line.iter().any(|it| it.0 == number) => {
                    assert_eq!(told, Turn::Waits);
                    waiting.is_heard = true;
                }
                _ => {
                    assert_eq!(told, Turn::Over);
                    model.waiting.swap_remove(at);
                }
            }
        }
        Step::Leave { waiter, ran_out } => {
            if model.waiting.is_empty() {
                return;
            }
            let at = waiter % model.waiting.len();
            let Waiting { key, number, .. } = model.waiting[at];
            engine.leave_fill(0, &name(key), number, ran_out, now);
            if let Some(lease) = &mut model.leases[key] {
                let before = lease.line.len();
                lease.line.retain(|it| it.0 != number);
                let waited = lease.line.len() < before;
                model.counts.ran_out += u64::from(waited && ran_out);
                if lease.number == number && lease.taken.is_none() {
                    model.pass_on(key);
                }
            }
            model.waiting.swap_remove(at);
        }
        Step::Set { key } => {
            engine.set(0, &name(key), write(b"1"), now).unwrap();
            model.value_came(key);
        }
        Step::Incr { key } => {
            let add = Increment {
                delta: 1,
                initial: 0,
                ttl_ms: 0,
            };
            engine.incr(0, &name(key), add, now).unwrap();
            model.value_came(key);
        }
        Step::Delete { key } => {
            engine.delete(0, &name(key), now).unwrap();
            model.values[key] = false;
            model.pass_on(key);
        }
        Step::Fill { token, off_by } => {
            let Some(&(key, token)) = model.tokens.iter().rev().nth(token % 8) else {
                return;
            };
            let key = (key + off_by) % KEYS;
            let stored = engine.fill(0, &name(key), write(b"1"), token, None, now);
            if model.is_good(key, token) {
                assert!(matches!(stored.unwrap().outcome, SetOutcome::Applied(_)));
                model.counts.stored += 1;
                model.value_came(key);
            } else {
                assert_eq!(stored.unwrap_err(), Refused::TokenVoid);
                model.counts.void += 1;
            }
        }
        Step::Release { token } => {
            let Some(&(key, token)) = model.tokens.iter().rev().nth(token % 8) else {
                return;
            };
            let is_good = model.is_good(key, token);
            assert_eq!(
                engine.release_fill(0, &name(key), token, None, now),
                is_good
            );
            if is_good {
                model.pass_on(key);
            }
        }
        Step::Gone { holder } => {
            engine.release_fills_of(0, holder, now);
            model.pass_on_where(|lease| lease.taken.is_some_and(|(by, _)| by == holder));
        }
        Step::Wait { ms } => model.now_ms += ms,
        Step::EndInTime => {
            engine.end_fills(now);
            let now_ms = model.now_ms;
            model.pass_on_where(|lease| lease.until_ms <= now_ms);
            let first_ms = model.leases.iter().flatten().map(|it| it.until_ms).min();
            // It may be told too early, never too late, and not again and again.
            let told_ms = engine
                .next_fill_end(Waker::noop())
                .map_or(u64::MAX, |end| end.0);
            assert!(now_ms < told_ms && told_ms <= first_ms.unwrap_or(u64::MAX));
        }
        Step::NewEpoch => {
            model.epoch += 1;
            engine.demote(0).unwrap();
            engine.promote(0, model.epoch).unwrap();
            for key in 0..KEYS {
                let had = model.values[key];
                model.value_came(key);
                model.values[key] = had;
            }
        }
    }
}

proptest! {
    #[test]
    fn leases_are_what_a_plain_model_says(steps in steps()) {
        let engine = engine(1 << 20);
        let mut model = Model {
            now_ms: 1000,
            epoch: 1,
            values: [false; KEYS],
            leases: std::array::from_fn(|_| None),
            waiting: Vec::new(),
            tokens: Vec::new(),
            counts: FillCounts::default(),
            secrets: 0,
        };
        for step in &steps {
            apply(&mut model, &engine, step);
            engine.validate(0).unwrap();
            for waiting in &model.waiting {
                let rings = waiting.bell.rings();
                let expected = usize::from(waiting.is_heard && waiting.is_woken);
                prop_assert_eq!(rings, expected, "after {:?}", step);
            }
            let expected = FillCounts {
                leases: model.leases.iter().flatten().count() as u64,
                waiters: model.line() as u64,
                ..model.counts
            };
            prop_assert_eq!(engine.fill_counts(), expected);
        }
        engine.close(0);
        let counts = engine.fill_counts();
        prop_assert_eq!((counts.leases, counts.waiters), (0, 0));
        prop_assert_eq!(engine.used_bytes(), engine.fixed_bytes());
    }
}
