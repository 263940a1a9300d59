//! What a protocol must do for the loop. Protocols perform no I/O: bytes in, bytes out.

mod grpc;
mod memcached;
mod resp;

use crate::arguments::{Arguments, Spoken};
use crate::work::{Request, Work};

/// One connection's side of a protocol.
pub(crate) trait Protocol {
    /// What a new connection says first.
    fn greet(&mut self, out: &mut Vec<u8>);

    /// Whether the server has said what it must say before requests are sent.
    fn is_ready(&self) -> bool;

    /// Append the request that `slot` stands for. False: it must wait until the server
    /// has taken more of what was sent before.
    fn send(
        &mut self,
        slot: usize,
        keys: &[u64],
        work: &Work,
        out: &mut Vec<u8>,
    ) -> Result<bool, String>;

    /// Read from the front of `input`; returns how much was used. Appends the slots whose
    /// requests were answered, and verified, to `done`, and to `out` what the protocol
    /// itself has to answer.
    fn receive(
        &mut self,
        input: &[u8],
        requests: &[Request],
        work: &mut Work,
        out: &mut Vec<u8>,
        done: &mut Vec<usize>,
    ) -> Result<usize, String>;
}

/// The protocol asked for, for one connection.
pub(crate) fn speak(arguments: &Arguments) -> Box<dyn Protocol> {
    match arguments.spoken {
        Spoken::Shoal => Box::new(grpc::Grpc::new(arguments)),
        Spoken::Resp => Box::new(resp::Resp::default()),
        Spoken::Memcached => Box::new(memcached::Memcached::default()),
    }
}

/// The front line, without its `\r\n`, and how long it is with it. None: not all there.
fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    let line = &input[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

fn decimal(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn strange(protocol: &str, line: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned();
    format!("this is no answer in {protocol}: {shown:?}")
}
