//! Replaying against a real Redis, over its unix socket, one request after the other.
//!
//! The `SET` after a miss and the next `GET` leave in one write. The server takes them in
//! order, so nothing differs from asking one at a time but the number of system calls.
//!
//! The server is given a budget beyond what it uses when it is empty, this connection and
//! its buffers included: they are measured after some requests, over this connection.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::outcome::Outcome;
use crate::trace::{Request, longest_value};

/// How often the number of entries is looked at.
const LOOK_EVERY: usize = 512;
/// Requests before the empty server is measured.
const WARM_UP: usize = 2000;

/// A connection, and what the server used when it was empty.
pub(crate) struct Redis {
    connection: Connection,
    base_bytes: usize,
}

impl Redis {
    /// Connects and empties the server. It must have its `maxmemory-policy` already.
    pub(crate) fn connect(socket: &Path, trace: &[Request]) -> Result<Redis> {
        let mut connection = Connection {
            stream: UnixStream::connect(socket)?,
            out: Vec::new(),
            answers: Vec::new(),
            at: 0,
        };
        connection.replay(&trace[..trace.len().min(WARM_UP)])?;
        connection.ask(&[b"FLUSHALL", b"SYNC"])?;
        let base_bytes = connection.used_bytes()?;
        Ok(Redis {
            connection,
            base_bytes,
        })
    }

    /// Replays the whole trace. A budget of 0 is none: everything stays.
    pub(crate) fn replay(&mut self, trace: &[Request], budget_bytes: usize) -> Result<Outcome> {
        let maxmemory = match budget_bytes {
            0 => 0,
            bytes => self.base_bytes + bytes,
        };
        let connection = &mut self.connection;
        connection.ask(&[b"FLUSHALL", b"SYNC"])?;
        let maxmemory = maxmemory.to_string();
        connection.ask(&[b"CONFIG", b"SET", b"maxmemory", maxmemory.as_bytes()])?;
        let mut outcome = connection.replay(trace)?;
        outcome.used_bytes = connection.used_bytes()?.saturating_sub(self.base_bytes) as u64;
        outcome.base_bytes = self.base_bytes as u64;
        Ok(outcome)
    }
}

struct Connection {
    stream: UnixStream,
    out: Vec<u8>,
    answers: Vec<u8>,
    at: usize,
}

impl Connection {
    fn replay(&mut self, trace: &[Request]) -> Result<Outcome> {
        let longest = longest_value(trace);
        let mut outcome = Outcome::default();
        let (mut looks, mut seen) = (0, 0);
        let mut has_set = false;
        for (number, request) in trace.iter().enumerate() {
            let key = request.key();
            self.put(&[b"GET", key.as_bytes()]);
            self.send()?;
            if has_set {
                // A value that did not fit is answered with an error: then it is not held.
                self.answer()?;
            }
            outcome.requests += 1;
            has_set = matches!(self.answer()?, Answer::Nothing);
            if has_set {
                outcome.misses += 1;
                self.put(&[b"SET", key.as_bytes(), &longest[..request.value_bytes()]]);
            }
            if number > trace.len() / 2 && number.is_multiple_of(LOOK_EVERY) {
                self.finish(&mut has_set)?;
                looks += 1;
                if let Answer::Number(entries) = self.ask(&[b"DBSIZE"])? {
                    seen += entries;
                }
            }
        }
        self.finish(&mut has_set)?;
        outcome.entries = seen / looks.max(1);
        Ok(outcome)
    }

    /// Sends the write that waits for the next read.
    fn finish(&mut self, has_set: &mut bool) -> Result<()> {
        if std::mem::take(has_set) {
            self.send()?;
            self.answer()?;
        }
        Ok(())
    }

    fn used_bytes(&mut self) -> Result<usize> {
        let Answer::Text(info) = self.ask(&[b"INFO", b"memory"])? else {
            return Err(ErrorKind::InvalidData.into());
        };
        let text = String::from_utf8_lossy(&info);
        text.lines()
            .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
            .ok_or_else(|| Error::other("INFO memory says nothing of used_memory"))
    }

    /// One command that must succeed.
    fn ask(&mut self, words: &[&[u8]]) -> Result<Answer> {
        self.put(words);
        self.send()?;
        match self.answer()? {
            Answer::Refused(why) => Err(Error::other(why)),
            answer => Ok(answer),
        }
    }

    fn put(&mut self, words: &[&[u8]]) {
        self.out
            .extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.out
                .extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn answer(&mut self) -> Result<Answer> {
        let line = self.line()?;
        let rest = String::from_utf8_lossy(&line[1..]).into_owned();
        let number = rest.parse::<i64>();
        match (line[0], number) {
            (b'+', _) => Ok(Answer::Done),
            (b'-', _) => Ok(Answer::Refused(rest)),
            (b':', Ok(number)) => Ok(Answer::Number(number.unsigned_abs())),
            (b'$', Ok(len)) => {
                let Ok(len) = usize::try_from(len) else {
                    return Ok(Answer::Nothing);
                };
                while self.answers.len() - self.at < len + 2 {
                    self.receive()?;
                }
                let text = self.answers[self.at..self.at + len].to_vec();
                self.at += len + 2;
                Ok(Answer::Text(text))
            }
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            let rest = &self.answers[self.at..];
            if let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
                let line = rest[..end].to_vec();
                self.at += end + 2;
                return Ok(line);
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<()> {
        self.answers.drain(..self.at);
        self.at = 0;
        let mut piece = [0; 64 << 10];
        let len = self.stream.read(&mut piece)?;
        if len == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.answers.extend_from_slice(&piece[..len]);
        Ok(())
    }
}

enum Answer {
    Done,
    Refused(String),
    Number(u64),
    Text(Vec<u8>),
    Nothing,
}
