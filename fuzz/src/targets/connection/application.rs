//! An application that answers each stream in one of many ways, by its number, and
//! checks what it is told.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use shoal_http2::{Code, Connection, Event, Field, StaticField};

pub(super) const FREQUENT: &[StaticField] = &[
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-status", b"0"),
];
const HEAD: &[Field<'static>] = &[(b":status", b"200"), (b"content-type", b"application/grpc")];
const TRAILERS: &[Field<'static>] = &[(b"grpc-status", b"0"), (b"grpc-message", b"a sentence")];

/// What the application keeps with a stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: u64,
    is_whole: bool,
}

#[derive(Default)]
pub(super) struct Application {
    pub(super) events: Vec<String>,
    last_stream: u32,
    /// Streams that were told of and are not over, with the length that they announced.
    open: HashMap<u32, Option<u64>>,
    is_broken: bool,
}

impl Application {
    pub(super) fn take(&mut self, connection: &mut Connection<Stream>, event: Event<'_>) {
        assert!(!self.is_broken, "{event:?} of a connection that is broken");
        self.events.push(format!("{event:?}"));
        match event {
            Event::Head { stream, is_end } => {
                assert!(stream > self.last_stream && stream % 2 == 1);
                self.last_stream = stream;
                let head = connection.head();
                head.check().expect("a head that is told of is a request");
                self.events
                    .push(format!("{:?} {:?}", head.path(), head.fields().count()));
                self.open.insert(stream, head.content_length());
                self.is_whole(connection, stream, 0, is_end);
                self.answer(connection, stream, is_end);
            }
            Event::Data {
                stream,
                bytes,
                is_end,
            } => {
                assert!(
                    self.open.contains_key(&stream),
                    "data of a stream that is over"
                );
                self.is_whole(connection, stream, bytes.len() as u64, is_end);
                if stream / 2 % 8 != 7 {
                    connection.release(stream, bytes.len());
                }
                if is_end {
                    self.answer(connection, stream, true);
                }
            }
            Event::Reset { stream, .. } => {
                assert!(self.open.remove(&stream).is_some(), "a reset of nothing");
                assert!(connection.state(stream).is_none());
            }
            Event::Broken(_) => {
                self.is_broken = true;
                assert!(connection.is_ending());
                assert_eq!(connection.open_streams(), 0);
            }
        }
        self.open
            .retain(|stream, _| connection.state(*stream).is_some());
    }

    /// Goes on with a stream of which everything was sent.
    pub(super) fn go_on(&mut self, connection: &mut Connection<Stream>) {
        while let Some(stream) = connection.next_drained() {
            connection.send_end(stream, TRAILERS);
        }
        self.open
            .retain(|stream, _| connection.state(*stream).is_some());
    }

    fn is_whole(&self, connection: &mut Connection<Stream>, stream: u32, bytes: u64, is_end: bool) {
        let state = connection
            .state(stream)
            .expect("an open stream has a state");
        assert!(!state.is_whole, "more of a request that was whole");
        state.bytes += bytes;
        state.is_whole = is_end;
        if let Some(&Some(length)) = self.open.get(&stream) {
            assert!(state.bytes <= length && (!is_end || state.bytes == length));
        }
    }

    fn answer(&self, connection: &mut Connection<Stream>, stream: u32, is_end: bool) {
        let small = |out: &mut BytesMut| -> Result<(), ()> {
            out.put_slice(b"\0\0\0\0\x03abc");
            Ok(())
        };
        match stream / 2 % 8 {
            // At once, whatever more would come.
            0 => connection.respond(stream, HEAD, TRAILERS, small).unwrap(),
            // Behind the request.
            1 | 7 if is_end => connection.respond(stream, HEAD, TRAILERS, small).unwrap(),
            2 if !connection.is_head_sent(stream) => {
                let large = Bytes::from(vec![7; 70_000]);
                connection.send_head(stream, HEAD, false);
                connection.send_bytes(stream, large);
                connection.send_end(stream, TRAILERS);
            }
            3 => connection.reset(stream, Code::Cancel),
            4 if is_end => {
                let failed = connection.respond(stream, HEAD, TRAILERS, |out| {
                    out.put_slice(b"half of it");
                    Err("it failed")
                });
                assert_eq!(failed, Err("it failed"));
                connection.send_head(stream, TRAILERS_ONLY, true);
            }
            5 if !connection.is_head_sent(stream) => {
                // A stream of answers: more follows once this was sent.
                connection.send_head(stream, HEAD, false);
                connection.send_body(stream, small).unwrap();
                connection
                    .send_body(stream, |out| -> Result<(), ()> {
                        out.put_bytes(9, 40_000);
                        Ok(())
                    })
                    .unwrap();
                connection.send_body(stream, small).unwrap();
            }
            6 if is_end => {
                connection.ping();
                connection.send_head(stream, HEAD, false);
                connection.send_end(stream, &[]);
                connection.shutdown();
            }
            _ => {}
        }
    }
}

const TRAILERS_ONLY: &[Field<'static>] = &[(b":status", b"200"), (b"grpc-status", b"13")];
