//! A bell that an event loop outside hears: a descriptor that turns readable when it rings.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Rung from any thread, it writes a byte and never waits: where nobody reads, one that is
/// there already says as much.
pub(crate) struct Bell {
    outside: UnixStream,
    inside: UnixStream,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Arc<Bell>> {
        let (outside, inside) = UnixStream::pair()?;
        outside.set_nonblocking(true)?;
        inside.set_nonblocking(true)?;
        Ok(Arc::new(Bell { outside, inside }))
    }

    /// What is read from, by whoever hears it: what comes says nothing. Open for as long as
    /// the bell is.
    pub(crate) fn heard_at(&self) -> RawFd {
        self.outside.as_raw_fd()
    }

    pub(crate) fn waker(self: &Arc<Bell>) -> Waker {
        Waker::from(self.clone())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = (&self.inside).write(&[1]) {
            // Nothing else can come of a pair whose other end is held beside it.
            debug_assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Bell;

    #[test]
    fn it_is_heard_once_it_rings_however_often() {
        let bell = Bell::new().unwrap();
        let mut heard = [0; 4096];
        assert!((&bell.outside).read(&mut heard).is_err(), "not rung");
        let waker = bell.waker();
        // More than the pair holds.
        for _ in 0..10_000 {
            waker.wake_by_ref();
        }
        assert!((&bell.outside).read(&mut heard).unwrap() > 0);
    }
}
