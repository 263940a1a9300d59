//! SETTINGS: what the peer has announced, and what this side announces.

use bytes::BytesMut;

use crate::error::{Broken, Code};
use crate::flow::{WINDOW_AT_FIRST, WINDOW_MAX};
use crate::frame::{self, Kind};
use crate::limits::Limits;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

const FRAME_BYTES_LEAST: u32 = 1 << 14;
const FRAME_BYTES_MOST: u32 = (1 << 24) - 1;

/// What the peer has announced, as far as a server has use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) header_table_bytes: u32,
    pub(crate) window_bytes: u32,
    pub(crate) frame_bytes_max: usize,
}

impl Default for Peer {
    fn default() -> Self {
        Peer {
            header_table_bytes: 4096,
            window_bytes: WINDOW_AT_FIRST,
            frame_bytes_max: FRAME_BYTES_LEAST as usize,
        }
    }
}

impl Peer {
    /// Take what a SETTINGS frame says; of two values for one setting the last.
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), Broken> {
        if !payload.len().is_multiple_of(6) {
            return Err(Broken::new(
                Code::FrameSize,
                "SETTINGS are not of their size",
            ));
        }
        for setting in payload.chunks_exact(6) {
            let value = frame::number(&setting[2..])?;
            match u16::from_be_bytes([setting[0], setting[1]]) {
                HEADER_TABLE_SIZE => self.header_table_bytes = value,
                ENABLE_PUSH if value > 1 => {
                    return Err(Broken::protocol("ENABLE_PUSH is neither 0 nor 1"));
                }
                INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    let why = "INITIAL_WINDOW_SIZE is above 2^31-1";
                    return Err(Broken::new(Code::FlowControl, why));
                }
                INITIAL_WINDOW_SIZE => self.window_bytes = value,
                MAX_FRAME_SIZE if !(FRAME_BYTES_LEAST..=FRAME_BYTES_MOST).contains(&value) => {
                    return Err(Broken::protocol("MAX_FRAME_SIZE is out of range"));
                }
                MAX_FRAME_SIZE => self.frame_bytes_max = value as usize,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Write this side's SETTINGS, and the window of the whole connection.
pub(crate) fn announce(limits: &Limits, out: &mut BytesMut) {
    let settings = [
        (HEADER_TABLE_SIZE, limits.header_table_bytes_max),
        (MAX_CONCURRENT_STREAMS, limits.concurrent_streams_max),
        (INITIAL_WINDOW_SIZE, limits.stream_window_bytes),
        (MAX_FRAME_SIZE, limits.frame_bytes_max),
        (MAX_HEADER_LIST_SIZE, limits.header_list_bytes_max),
    ];
    let mut payload = Vec::with_capacity(settings.len() * 6);
    for (setting, value) in settings {
        payload.extend_from_slice(&setting.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame::put(out, Kind::Settings, 0, 0, &payload);
    let more = limits.connection_window_bytes - WINDOW_AT_FIRST;
    if more > 0 {
        frame::put(out, Kind::WindowUpdate, 0, 0, &more.to_be_bytes());
    }
}

impl Limits {
    /// The same limits, brought into the ranges that the protocol allows.
    #[must_use]
    pub(crate) fn within_protocol(mut self) -> Limits {
        let most = WINDOW_MAX as u32;
        self.frame_bytes_max = self
            .frame_bytes_max
            .clamp(FRAME_BYTES_LEAST, FRAME_BYTES_MOST);
        self.stream_window_bytes = self.stream_window_bytes.clamp(1, most);
        self.connection_window_bytes = self.connection_window_bytes.clamp(WINDOW_AT_FIRST, most);
        self.outbox_bytes_max = self.outbox_bytes_max.max(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Peer, announce};
    use crate::error::Code;
    use crate::frame::{HEADER_BYTES, Header};
    use crate::limits::Limits;
    use bytes::BytesMut;

    #[test]
    fn what_is_announced_is_understood() {
        let limits = Limits {
            stream_window_bytes: 77_777,
            frame_bytes_max: 20_000,
            header_table_bytes_max: 100,
            ..Limits::default()
        };
        let mut out = BytesMut::new();
        announce(&limits, &mut out);
        let header = Header::parse(&out).unwrap();
        let mut peer = Peer::default();
        peer.apply(&out[HEADER_BYTES..HEADER_BYTES + header.length])
            .unwrap();
        let expected = Peer {
            header_table_bytes: 100,
            window_bytes: 77_777,
            frame_bytes_max: 20_000,
        };
        assert_eq!(peer, expected);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let code = |payload: &[u8]| Peer::default().apply(payload).map_err(|broken| broken.code);
        assert_eq!(code(&[0; 5]), Err(Code::FrameSize));
        assert_eq!(code(&[0, 2, 0, 0, 0, 2]), Err(Code::Protocol));
        assert_eq!(code(&[0, 4, 0x80, 0, 0, 0]), Err(Code::FlowControl));
        assert_eq!(code(&[0, 5, 0, 0, 0x3f, 0xff]), Err(Code::Protocol));
        assert_eq!(
            code(&[0, 99, 1, 2, 3, 4]),
            Ok(()),
            "an unknown one is ignored"
        );
    }
}
