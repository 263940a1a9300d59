//! What the server said on one connection: by stream, and in all.

use std::collections::HashMap;

use crate::frame::{Head, flag, kind, setting};
use crate::hpack;

/// What the server said on one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) fields: hpack::Fields,
    pub(crate) data: Vec<u8>,
    pub(crate) reset: Option<u32>,
    pub(crate) ended: bool,
}

impl Said {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let named = self.fields.iter().rev().find(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// `grpc-status`, once it has come.
    pub(crate) fn status(&self) -> Option<i32> {
        self.field("grpc-status")?.parse().ok()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.reset.is_some()
    }
}

/// What the server said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) streams: HashMap<u32, Said>,
    pub(crate) goaway: Option<u32>,
    pub(crate) settings_acks: usize,
    pub(crate) ping_acks: usize,
    /// The connection is closed.
    pub(crate) ended: bool,
    block: Vec<u8>,
    pub(crate) windows: Windows,
}

/// What may still be sent.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    initial: i64,
    connection: i64,
    /// Less or more than the initial one.
    streams: HashMap<u32, i64>,
}

impl Default for Windows {
    fn default() -> Windows {
        Windows {
            initial: 65_535,
            connection: 65_535,
            streams: HashMap::new(),
        }
    }
}

impl Windows {
    pub(crate) fn on(&self, stream: u32) -> i64 {
        let moved = self.streams.get(&stream).copied().unwrap_or_default();
        self.connection.min(self.initial + moved)
    }

    pub(crate) fn spend(&mut self, stream: u32, bytes: i64) {
        self.connection -= bytes;
        *self.streams.entry(stream).or_default() -= bytes;
    }
}

impl Log {
    pub(crate) fn said(&self, stream: u32) -> Said {
        self.streams.get(&stream).cloned().unwrap_or_default()
    }

    pub(crate) fn resets(&self) -> usize {
        let reset = self.streams.values().filter(|said| said.reset.is_some());
        reset.count()
    }

    pub(crate) fn over(&self) -> usize {
        self.streams.values().filter(|said| said.is_over()).count()
    }

    pub(crate) fn note(&mut self, head: Head, payload: &[u8]) {
        let code = |at: usize| {
            let bytes = payload.get(at..at + 4).expect("a code of four bytes");
            u32::from_be_bytes(bytes.try_into().unwrap())
        };
        match head.kind {
            kind::GOAWAY => self.goaway = Some(code(4)),
            kind::SETTINGS if head.has(flag::ACK) => self.settings_acks += 1,
            kind::SETTINGS => {
                for pair in payload.chunks_exact(6) {
                    let (setting, value) = pair.split_at(2);
                    if setting == setting::INITIAL_WINDOW_SIZE.to_be_bytes() {
                        let value = u32::from_be_bytes(value.try_into().unwrap());
                        self.windows.initial = i64::from(value);
                    }
                }
            }
            kind::WINDOW_UPDATE if head.stream == 0 => {
                self.windows.connection += i64::from(code(0));
            }
            kind::WINDOW_UPDATE => {
                *self.windows.streams.entry(head.stream).or_default() += i64::from(code(0));
            }
            kind::PING if head.has(flag::ACK) => self.ping_acks += 1,
            kind::RST_STREAM => {
                self.streams.entry(head.stream).or_default().reset = Some(code(0));
            }
            kind::DATA => {
                let said = self.streams.entry(head.stream).or_default();
                said.data.extend_from_slice(payload);
                said.ended |= head.has(flag::END_STREAM);
            }
            kind::HEADERS | kind::CONTINUATION => {
                self.block.extend_from_slice(payload);
                let said = self.streams.entry(head.stream).or_default();
                said.ended |= head.kind == kind::HEADERS && head.has(flag::END_STREAM);
                if head.has(flag::END_HEADERS) {
                    said.fields.extend(hpack::read(&self.block));
                    self.block.clear();
                }
            }
            _ => {}
        }
    }
}
