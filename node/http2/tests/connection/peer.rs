//! A client of few words: frames to send, and what was received, taken apart.

use std::collections::HashMap;
use std::io::IoSlice;

use shoal_http2::frame::{HEADER_BYTES, Header, Kind, PREFACE};
use shoal_http2::hpack::Decoder;
use shoal_http2::{Code, Connection, Event, Head, Limits};

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// `:method POST`, `:scheme http`, `:path /`, without a table.
pub(crate) const BLOCK: &[u8] = &[0x83, 0x86, 0x84];

pub(crate) fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    [&header.to_bytes()[..], payload].concat()
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (setting, value) in values {
        payload.extend(setting.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(Kind::Settings, 0, 0, &payload)
}

pub(crate) fn hello() -> Vec<u8> {
    [
        &PREFACE[..],
        &settings(&[]),
        &frame(Kind::Settings, 1, 0, &[]),
    ]
    .concat()
}

pub(crate) fn request(stream: u32, is_end: bool) -> Vec<u8> {
    let flags = END_HEADERS | u8::from(is_end);
    frame(Kind::Headers, flags, stream, BLOCK)
}

pub(crate) fn data(stream: u32, bytes: &[u8], is_end: bool) -> Vec<u8> {
    frame(Kind::Data, u8::from(is_end), stream, bytes)
}

pub(crate) fn window_update(stream: u32, more: u32) -> Vec<u8> {
    frame(Kind::WindowUpdate, 0, stream, &more.to_be_bytes())
}

/// The fields of a stream, and whether they end it.
type Fields = (u32, Vec<(String, String)>, bool);

/// What a server has sent, taken apart.
pub(crate) struct Heard {
    decoder: Decoder,
    rest: Vec<u8>,
    pub(crate) frames: Vec<(Header, Vec<u8>)>,
    pub(crate) bodies: HashMap<u32, Vec<u8>>,
    pub(crate) fields: Vec<Fields>,
    pub(crate) resets: Vec<(u32, Code)>,
    pub(crate) goaways: Vec<(u32, Code)>,
}

impl Heard {
    pub(crate) fn new() -> Heard {
        Heard {
            decoder: Decoder::new(4096),
            rest: Vec::new(),
            frames: Vec::new(),
            bodies: HashMap::new(),
            fields: Vec::new(),
            resets: Vec::new(),
            goaways: Vec::new(),
        }
    }

    /// Take everything that the connection wants to send, up to so many bytes.
    pub(crate) fn take<S: Default>(&mut self, from: &mut Connection<S>, most: usize) -> usize {
        let mut slices = [IoSlice::new(&[]); 3];
        let filled = from.output(&mut slices);
        let bytes: Vec<u8> = slices[..filled]
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .take(most)
            .collect();
        from.sent(bytes.len());
        self.rest.extend(&bytes);
        self.parse();
        bytes.len()
    }

    pub(crate) fn take_all<S: Default>(&mut self, from: &mut Connection<S>) {
        while self.take(from, usize::MAX) > 0 {}
    }

    fn parse(&mut self) {
        while let Some(header) = Header::parse(&self.rest) {
            let end = HEADER_BYTES + header.length;
            if self.rest.len() < end {
                return;
            }
            let payload = self.rest[HEADER_BYTES..end].to_vec();
            self.rest.drain(..end);
            let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match header.kind {
                Kind::Data => {
                    assert!(header.length <= 16_384, "more than this peer takes");
                    let body = self.bodies.entry(header.stream).or_default();
                    body.extend(&payload);
                }
                Kind::Headers => {
                    assert!(header.has(END_HEADERS));
                    let mut head = Head::new(100_000);
                    self.decoder.decode(&payload, &mut head).unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let fields = head.all_fields().map(|(n, v)| (text(n), text(v)));
                    let is_end = header.has(END_STREAM);
                    self.fields.push((header.stream, fields.collect(), is_end));
                }
                Kind::Reset => self
                    .resets
                    .push((header.stream, Code::from_number(number(0)))),
                Kind::GoAway => self.goaways.push((number(0), Code::from_number(number(4)))),
                _ => {}
            }
            self.frames.push((header, payload));
        }
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        let of_kind = self.frames.iter().filter(|(h, _)| h.kind == kind);
        of_kind.count()
    }
}

/// Give bytes to a connection and answer nothing; returns its events as text.
pub(crate) fn feed(connection: &mut Connection<()>, mut input: &[u8], now_ms: u64) -> Vec<String> {
    let mut events = Vec::new();
    loop {
        let received = connection.receive(input, now_ms);
        input = &input[received.consumed..];
        match received.event {
            None => return events,
            Some(event) => events.push(told(&event)),
        }
    }
}

pub(crate) fn told(event: &Event<'_>) -> String {
    match event {
        Event::Broken(broken) => format!("broken {:?}", broken.code),
        other => format!("{other:?}"),
    }
}

/// A connection that has been greeted, and what it said.
pub(crate) fn greeted(limits: Limits) -> (Connection<()>, Heard) {
    let mut connection = Connection::new(limits, &[(b"x", b"y")]);
    assert!(feed(&mut connection, &hello(), 0).is_empty());
    let mut heard = Heard::new();
    heard.take_all(&mut connection);
    (connection, heard)
}
