//! Every bound of a connection, and what happens at each.

/// How often something may happen: `burst` times at once, then `per_second`.
///
/// What earns trust (a request that came whole, data that came) gives one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// As many at once.
    pub burst: u32,
    /// As many a second in the long run.
    pub per_second: u32,
}

/// See the module. Each is enforced; none can be switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams at a time. One more is reset with `REFUSED_STREAM`.
    pub concurrent_streams_max: u32,
    /// Bytes of a request's fields, each counted with 32 more. Beyond: 431. A field
    /// block that is longer even compressed: `ENHANCE_YOUR_CALM`.
    pub header_list_bytes_max: u32,
    /// CONTINUATION frames of one field block. Beyond: `ENHANCE_YOUR_CALM`.
    pub continuations_max: u32,
    /// Bytes of the table that the peer's field compression may fill.
    pub header_table_bytes_max: u32,
    /// The largest payload of a frame. Beyond: `FRAME_SIZE_ERROR`.
    pub frame_bytes_max: u32,
    /// What the peer may send on a stream before it is released. Beyond:
    /// `FLOW_CONTROL_ERROR`.
    pub stream_window_bytes: u32,
    /// What it may send on all streams before it was received. Beyond the same.
    pub connection_window_bytes: u32,
    /// Bytes that stand ready to be sent before streams' bodies wait behind them.
    pub outbox_bytes_max: usize,
    /// Streams that the peer resets before their end. Beyond: `ENHANCE_YOUR_CALM`.
    pub client_resets: Rate,
    /// Streams that this side resets because the peer broke a rule. Beyond the same.
    pub error_resets: Rate,
    /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE and unknown frames. Beyond the same.
    pub control_frames: Rate,
    /// DATA and CONTINUATION frames that bring nothing. Beyond the same.
    pub empty_frames: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            concurrent_streams_max: 1024,
            header_list_bytes_max: 16 * 1024,
            continuations_max: 8,
            header_table_bytes_max: 4096,
            frame_bytes_max: 16 * 1024,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            outbox_bytes_max: 128 * 1024,
            client_resets: Rate {
                burst: 1024,
                per_second: 128,
            },
            error_resets: Rate {
                burst: 128,
                per_second: 16,
            },
            control_frames: Rate {
                burst: 4096,
                per_second: 512,
            },
            empty_frames: Rate {
                burst: 128,
                per_second: 16,
            },
        }
    }
}
