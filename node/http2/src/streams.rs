//! The streams that are open, and what of their responses waits for a window.
//!
//! Invariants: ids rise along `order`; `bodies_bytes` is what all bodies hold.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::flow::{ReceiveWindow, SendWindow};

/// Owned fields: trailers that wait behind a body.
pub(crate) type OwnedFields = Vec<(Vec<u8>, Vec<u8>)>;

/// What comes after the body that is there.
#[derive(Debug, Default)]
pub(crate) enum Ending {
    /// More of it.
    #[default]
    Unknown,
    /// These trailers, and then nothing.
    Trailers(OwnedFields),
}

/// One stream. `S` is the caller's.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    pub(crate) id: u32,
    /// The peer has not ended it.
    pub(crate) is_remote_open: bool,
    pub(crate) is_head_sent: bool,
    pub(crate) send: SendWindow,
    pub(crate) receive: ReceiveWindow,
    /// What `content-length` says is still to come.
    pub(crate) bytes_to_come: Option<u64>,
    pub(crate) body: VecDeque<Bytes>,
    pub(crate) body_bytes: usize,
    pub(crate) ending: Ending,
    /// It stands in the queue of those that may send.
    pub(crate) is_queued: bool,
    pub(crate) state: S,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Streams<S> {
    order: Vec<(u32, u32)>,
    slots: Vec<Stream<S>>,
    free: Vec<u32>,
    pub(crate) bodies_bytes: usize,
}

/// Where an open stream stands, until the next one is added or removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(usize);

impl<S: Default> Streams<S> {
    pub(crate) fn new() -> Streams<S> {
        Streams {
            order: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            bodies_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn find(&self, id: u32) -> Option<At> {
        // Most often it is the newest.
        match self.order.last() {
            Some((last, _)) if *last == id => Some(At(self.order.len() - 1)),
            _ => self
                .order
                .binary_search_by_key(&id, |(id, _)| *id)
                .ok()
                .map(At),
        }
    }

    pub(crate) fn at(&self, at: At) -> &Stream<S> {
        &self.slots[self.order[at.0].1 as usize]
    }

    pub(crate) fn at_mut(&mut self, at: At) -> &mut Stream<S> {
        &mut self.slots[self.order[at.0].1 as usize]
    }

    /// Add the newest stream.
    pub(crate) fn open(&mut self, id: u32, send_bytes: u32, receive_bytes: u32) -> At {
        let stream = Stream {
            id,
            is_remote_open: true,
            is_head_sent: false,
            send: SendWindow::new(send_bytes),
            receive: ReceiveWindow::new(receive_bytes),
            bytes_to_come: None,
            body: VecDeque::new(),
            body_bytes: 0,
            ending: Ending::Unknown,
            is_queued: false,
            state: S::default(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = stream;
                slot
            }
            None => {
                self.slots.push(stream);
                (self.slots.len() - 1) as u32
            }
        };
        self.order.push((id, slot));
        At(self.order.len() - 1)
    }

    /// Forget a stream, with all that it holds.
    pub(crate) fn remove(&mut self, at: At) {
        let (_, slot) = self.order.remove(at.0);
        let stream = &mut self.slots[slot as usize];
        self.bodies_bytes -= stream.body_bytes;
        stream.body_bytes = 0;
        stream.body = VecDeque::new();
        stream.ending = Ending::Unknown;
        stream.state = S::default();
        self.free.push(slot);
    }

    /// Add to the end of a body.
    pub(crate) fn add_body(&mut self, at: At, bytes: Bytes) {
        self.bodies_bytes += bytes.len();
        let stream = self.at_mut(at);
        stream.body_bytes += bytes.len();
        stream.body.push_back(bytes);
    }

    /// Take up to so many bytes from the front of a body.
    pub(crate) fn take_body(&mut self, at: At, most: usize) -> Bytes {
        let stream = self.at_mut(at);
        let Some(first) = stream.body.front_mut() else {
            return Bytes::new();
        };
        let taken = first.split_to(most.min(first.len()));
        if first.is_empty() {
            stream.body.pop_front();
        }
        stream.body_bytes -= taken.len();
        self.bodies_bytes -= taken.len();
        taken
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream<S>> {
        let slots = &mut self.slots;
        let mut open: Vec<bool> = vec![false; slots.len()];
        for (_, slot) in &self.order {
            open[*slot as usize] = true;
        }
        slots
            .iter_mut()
            .zip(open)
            .filter_map(|(stream, open)| open.then_some(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::Streams;
    use bytes::Bytes;

    #[test]
    fn streams_are_found_until_they_are_removed() {
        let mut streams: Streams<u32> = Streams::new();
        for id in [1, 3, 9, 11] {
            let at = streams.open(id, 1, 1);
            streams.at_mut(at).state = id * 10;
        }
        streams.remove(streams.find(3).unwrap());
        let at = streams.open(13, 1, 1);
        assert_eq!(streams.at(at).state, 0, "a slot is used again, empty");
        assert!(streams.find(3).is_none() && streams.find(5).is_none());
        for id in [1, 9, 11] {
            assert_eq!(streams.at(streams.find(id).unwrap()).state, id * 10);
        }
        assert_eq!((streams.len(), streams.iter_mut().count()), (4, 4));
    }

    #[test]
    fn bodies_are_counted() {
        let mut streams: Streams<()> = Streams::new();
        let at = streams.open(1, 1, 1);
        streams.add_body(at, Bytes::from_static(b"abc"));
        streams.add_body(at, Bytes::from_static(b"de"));
        assert_eq!(streams.take_body(at, 2), "ab");
        assert_eq!(streams.take_body(at, 9), "c");
        assert_eq!((streams.bodies_bytes, streams.at(at).body_bytes), (2, 2));
        streams.remove(at);
        assert_eq!(streams.bodies_bytes, 0);
    }
}
