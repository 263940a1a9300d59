//! What a hub tells a stream: in which partitions there is news, as a set of bits, and
//! that it should look, through a waker.
//!
//! Invariant: whoever sets a bit takes the waker afterwards, and whoever looks at the bits
//! left a waker before. So no news waits for a wake-up that does not come.

use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::Waker;

use crate::sync::{AtomicU64, Mutex};

#[derive(Debug)]
pub(crate) struct Stream {
    /// Of this hub's streams.
    pub(crate) id: u64,
    news: Box<[AtomicU64]>,
    waker: Mutex<Option<Waker>>,
}

impl Stream {
    pub(crate) fn new(id: u64, partition_count: u32) -> Stream {
        let words = partition_count.div_ceil(64);
        Stream {
            id,
            news: (0..words).map(|_| AtomicU64::new(0)).collect(),
            waker: Mutex::new(None),
        }
    }

    /// There is news in this partition.
    pub(crate) fn tell(&self, partition: u32) {
        self.news[partition as usize / 64].fetch_or(1 << (partition % 64), AcqRel);
        self.wake();
    }

    /// Look, whatever for.
    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whom to wake from now on.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut slot = self.waker.lock();
        if !slot.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Takes the partitions in which there is news.
    pub(crate) fn take(&self, mut found: impl FnMut(u32)) {
        for (word, base) in self.news.iter().zip((0..).step_by(64)) {
            if word.load(Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, AcqRel);
            while bits != 0 {
                found(base + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};

    use super::Stream;

    #[derive(Default)]
    struct Bell(AtomicU32);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn news_is_kept_once_and_wakes_once() {
        let stream = Stream::new(1, 130);
        let bell = Arc::new(Bell::default());
        stream.tell(7);
        stream.listen(&Waker::from(bell.clone()));
        for partition in [129, 64, 0, 129] {
            stream.tell(partition);
        }
        let mut found = Vec::new();
        stream.take(|partition| found.push(partition));
        assert_eq!(found, [0, 7, 64, 129]);
        stream.take(|_| panic!("taken already"));
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    }
}
