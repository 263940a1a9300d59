//! One connection: its socket, its buffers, its protocol, and what is in flight on it.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

use crate::arguments::Arguments;
use crate::protocol::{self, Protocol};
use crate::work::{Request, Work};

/// Room to read into at a time.
const READ_BYTES: usize = 256 << 10;

/// Requests keep their slot, a number below `streams`, until they are answered.
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    protocol: Box<dyn Protocol>,
    requests: Vec<Request>,
    /// Slots without a request.
    free: Vec<usize>,
    out: Vec<u8>,
    /// Of `out`: what the socket has taken.
    written: usize,
    input: Vec<u8>,
    /// Of `input`: what holds bytes that are not read yet.
    held: usize,
    done: Vec<usize>,
}

impl Connection {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, String> {
        let address = &arguments.address;
        let open = || -> io::Result<std::net::TcpStream> {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let socket = open().map_err(|error| format!("{address} cannot be reached: {error}"))?;
        let mut protocol = protocol::speak(arguments);
        let mut out = Vec::new();
        protocol.greet(&mut out);
        Ok(Self {
            socket: TcpStream::from_std(socket),
            protocol,
            requests: vec![Request::default(); arguments.streams],
            free: (0..arguments.streams).collect(),
            out,
            written: 0,
            input: vec![0; READ_BYTES],
            held: 0,
            done: Vec::new(),
        })
    }

    /// Whether another request may be sent at once.
    pub(crate) fn is_free(&self) -> bool {
        self.protocol.is_ready() && !self.free.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.requests.len() - self.free.len()
    }

    /// Send `keys`. False: the server must take more of what was sent before, and `keys`
    /// are left for later.
    pub(crate) fn ask(
        &mut self,
        keys: &mut Vec<u64>,
        asked_us: u64,
        work: &Work,
    ) -> Result<bool, String> {
        let slot = *self.free.last().expect("is_free was asked first");
        if !self.protocol.send(slot, keys, work, &mut self.out)? {
            return Ok(false);
        }
        self.free.pop();
        let request = &mut self.requests[slot];
        std::mem::swap(&mut request.keys, keys);
        request.asked_us = asked_us;
        Ok(true)
    }

    /// Read what has come, and tell each request that was answered.
    pub(crate) fn read(
        &mut self,
        work: &mut Work,
        mut answered: impl FnMut(&Request),
    ) -> Result<(), String> {
        loop {
            if self.held == self.input.len() {
                self.input.resize(2 * self.held, 0);
            }
            let room = self.input.len() - self.held;
            let got = match self.socket.read(&mut self.input[self.held..]) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("the connection broke: {error}")),
            };
            self.held += got;
            let input = &self.input[..self.held];
            let (requests, done) = (&self.requests, &mut self.done);
            let used = self
                .protocol
                .receive(input, requests, work, &mut self.out, done)?;
            self.input.copy_within(used..self.held, 0);
            self.held -= used;
            for slot in self.done.drain(..) {
                answered(&self.requests[slot]);
                self.free.push(slot);
            }
            // The socket held less than there was room for: it is empty now.
            if got < room {
                return Ok(());
            }
        }
    }

    /// Write as much as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(taken) => self.written += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("the connection broke: {error}")),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}
