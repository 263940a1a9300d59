//! The text protocol of memcached.

use std::collections::VecDeque;
use std::io::Write;

use super::{Protocol, decimal, line, strange};
use crate::arguments::{Shape, Verb};
use crate::work::{Request, Work};

/// Answers come in the order of the requests.
#[derive(Default)]
pub(crate) struct Memcached {
    waiting: VecDeque<usize>,
    /// Of the front request: keys answered.
    answered: usize,
    /// The value of the key asked for was read, its `END` was not.
    is_before_end: bool,
}

impl Protocol for Memcached {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn is_ready(&self) -> bool {
        true
    }

    fn send(
        &mut self,
        slot: usize,
        keys: &[u64],
        work: &Work,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        match (work.verb, work.shape) {
            (Verb::Set, Shape::Many) => {
                return Err("memcached has no command that sets many keys".into());
            }
            (Verb::Get, Shape::Many) => {
                out.extend_from_slice(b"get");
                for &key in keys {
                    out.push(b' ');
                    work.texts.key(key, out);
                }
                out.extend_from_slice(b"\r\n");
            }
            (Verb::Get, _) => {
                for &key in keys {
                    out.extend_from_slice(b"get ");
                    work.texts.key(key, out);
                    out.extend_from_slice(b"\r\n");
                }
            }
            (Verb::Set, _) => {
                for &key in keys {
                    out.extend_from_slice(b"set ");
                    work.texts.key(key, out);
                    // Whole seconds are what it knows; 0 stands for none there too.
                    let seconds = work.ttl_ms().div_ceil(1000);
                    let written = write!(out, " 0 {seconds} {}\r\n", work.texts.value_bytes);
                    written.expect("a vector takes everything");
                    work.texts.value(key, out);
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
        self.waiting.push_back(slot);
        Ok(true)
    }

    fn receive(
        &mut self,
        input: &[u8],
        requests: &[Request],
        work: &mut Work,
        _: &mut Vec<u8>,
        done: &mut Vec<usize>,
    ) -> Result<usize, String> {
        let mut used = 0;
        while let Some(&slot) = self.waiting.front() {
            let request = &requests[slot];
            let Some(bytes) = self.one(&input[used..], request, work)? else {
                return Ok(used);
            };
            used += bytes;
            if self.answered == request.keys.len() && !self.is_before_end {
                self.waiting.pop_front();
                self.answered = 0;
                done.push(slot);
            }
        }
        if used < input.len() {
            return Err(strange(
                "memcached's text where nothing was asked",
                &input[used..],
            ));
        }
        Ok(used)
    }
}

impl Memcached {
    /// One value, `END` or `STORED`.
    fn one(
        &mut self,
        input: &[u8],
        request: &Request,
        work: &mut Work,
    ) -> Result<Option<usize>, String> {
        let Some((text, head_bytes)) = line(input) else {
            return Ok(None);
        };
        if work.verb == Verb::Set {
            if text != b"STORED" {
                return Err(strange("memcached's text", text));
            }
            self.answered += 1;
            return Ok(Some(head_bytes));
        }
        if text == b"END" {
            if !self.is_before_end {
                return Err(work.missed(request.keys[self.answered]));
            }
            self.is_before_end = false;
            return Ok(Some(head_bytes));
        }
        let is_expected = !self.is_before_end || work.shape == Shape::Many;
        let Some(&key) = request.keys.get(self.answered).filter(|_| is_expected) else {
            return Err(strange("memcached's text where END is due", text));
        };
        let mut words = text.split(|&byte| byte == b' ');
        let mut expected = Vec::with_capacity(work.texts.key_bytes);
        work.texts.key(key, &mut expected);
        if words.next() != Some(b"VALUE") {
            return Err(strange("memcached's text", text));
        }
        if words.next() != Some(&expected) {
            return Err(work.missed(key));
        }
        let Some(value_bytes) = words.nth(1).and_then(decimal) else {
            return Err(strange("memcached's text", text));
        };
        let whole = head_bytes + value_bytes + 2;
        if input.len() < whole {
            return Ok(None);
        }
        work.verify(key, &input[head_bytes..head_bytes + value_bytes])?;
        self.answered += 1;
        // Of many keys in one command, the last alone is followed by END.
        self.is_before_end = work.shape != Shape::Many || self.answered == request.keys.len();
        Ok(Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::Memcached;
    use crate::arguments::{Arguments, Shape, Verb};
    use crate::protocol::Protocol;
    use crate::work::{Request, Work};

    fn work(verb: Verb, shape: Shape) -> Work {
        Work::new(&Arguments {
            verb,
            shape,
            ttl_ms: 1500,
            key_bytes: 5,
            value_bytes: 6,
            ..Arguments::default()
        })
    }

    fn run(work: &mut Work, keys: &[u64], answer: &[u8]) -> (String, Result<Vec<usize>, String>) {
        let (mut memcached, mut out) = (Memcached::default(), Vec::new());
        memcached.send(0, keys, work, &mut out).unwrap();
        let requests = [Request {
            keys: keys.to_vec(),
            asked_us: 0,
        }];
        let (mut held, mut done) = (Vec::new(), Vec::new());
        let mut read = || {
            for byte in answer {
                held.push(*byte);
                let used = memcached.receive(&held, &requests, work, &mut vec![], &mut done)?;
                held.drain(..used);
            }
            Ok(())
        };
        let outcome = read().map(|()| done);
        (String::from_utf8(out).unwrap(), outcome)
    }

    fn value(work: &Work, key: u64) -> Vec<u8> {
        let mut out = format!("VALUE key:{key} 0 6\r\n").into_bytes();
        work.texts.value(key, &mut out);
        out.extend_from_slice(b"\r\n");
        out
    }

    #[test]
    fn gets_of_every_shape() {
        let mut single = work(Verb::Get, Shape::Single);
        let answer = [value(&single, 3), b"END\r\n".to_vec()].concat();
        let (said, done) = run(&mut single, &[3], &answer);
        assert_eq!(said, "get key:3\r\n");
        assert_eq!(done.unwrap(), [0]);

        let mut many = work(Verb::Get, Shape::Many);
        let answer = [value(&many, 1), value(&many, 2), b"END\r\n".to_vec()].concat();
        let (said, done) = run(&mut many, &[1, 2], &answer);
        assert_eq!(said, "get key:1 key:2\r\n");
        assert_eq!(done.unwrap(), [0]);

        let mut batch = work(Verb::Get, Shape::Batch);
        let end = b"END\r\n".to_vec();
        let answer = [value(&batch, 1), end.clone(), value(&batch, 2), end].concat();
        let (said, done) = run(&mut batch, &[1, 2], &answer);
        assert_eq!(said, "get key:1\r\nget key:2\r\n");
        assert_eq!(done.unwrap(), [0]);
    }

    #[test]
    fn a_set_rounds_its_time_up_to_seconds() {
        let (said, done) = run(&mut work(Verb::Set, Shape::Single), &[3], b"STORED\r\n");
        assert!(said.starts_with("set key:3 0 2 6\r\nkey:3"));
        assert_eq!(done.unwrap(), [0]);
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        for answer in [
            "END\r\n",
            "VALUE key:4 0 6\r\n",
            "VALUE key:3 0 6\r\nkey:4x\r\n",
            "SERVER_ERROR no\r\n",
            "STORED\r\n",
        ] {
            let (_, outcome) = run(&mut work(Verb::Get, Shape::Single), &[3], answer.as_bytes());
            assert!(outcome.is_err(), "{answer}");
        }
    }
}
