//! What wakes a thread of an exploration.

use std::sync::Arc;
use std::task::Wake;

use shuttle::sync::{Condvar, Mutex};

/// A thread sleeps until it rings: the explorer finds one that sleeps for ever.
#[derive(Default)]
pub(crate) struct Bell {
    has_rung: Mutex<bool>,
    rings: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        *self.has_rung.lock().unwrap() = true;
        self.rings.notify_one();
    }
}

impl Bell {
    pub(crate) fn wait(&self) {
        let mut has_rung = self.has_rung.lock().unwrap();
        while !*has_rung {
            has_rung = self.rings.wait(has_rung).unwrap();
        }
        *has_rung = false;
    }
}
