//! RESP2, as Redis and Valkey speak it.

use std::collections::VecDeque;
use std::io::Write;

use super::{Protocol, decimal, line, strange};
use crate::arguments::{Shape, Verb};
use crate::work::{Request, Work};

/// Answers come in the order of the requests.
#[derive(Default)]
pub(crate) struct Resp {
    waiting: VecDeque<usize>,
    /// Of the front request: keys answered.
    answered: usize,
    /// Of the front request: the head of its array was read.
    is_in_array: bool,
}

impl Protocol for Resp {
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
            (Verb::Get, Shape::Many) => {
                head(out, keys.len() + 1);
                out.extend_from_slice(b"$4\r\nMGET\r\n");
                keys.iter().for_each(|&key| bulk_key(out, key, work));
            }
            (Verb::Set, Shape::Many) => {
                if work.ttl_ms() > 0 {
                    return Err("MSET takes no time to live: take --shape batch".into());
                }
                head(out, 2 * keys.len() + 1);
                out.extend_from_slice(b"$4\r\nMSET\r\n");
                for &key in keys {
                    bulk_key(out, key, work);
                    bulk_value(out, key, work);
                }
            }
            (Verb::Get, _) => {
                for &key in keys {
                    out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
                    bulk_key(out, key, work);
                }
            }
            (Verb::Set, _) => keys.iter().for_each(|&key| set(out, key, work)),
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
            if self.answered == request.keys.len() {
                self.waiting.pop_front();
                (self.answered, self.is_in_array) = (0, false);
                done.push(slot);
            }
        }
        if used < input.len() {
            return Err(strange("RESP where nothing was asked", &input[used..]));
        }
        Ok(used)
    }
}

impl Resp {
    /// One element: the head of an array, a value, a status.
    fn one(
        &mut self,
        input: &[u8],
        request: &Request,
        work: &mut Work,
    ) -> Result<Option<usize>, String> {
        let Some((text, head_bytes)) = line(input) else {
            return Ok(None);
        };
        match (text.first(), work.verb) {
            (Some(b'*'), Verb::Get) if work.shape == Shape::Many && !self.is_in_array => {
                if decimal(&text[1..]) != Some(request.keys.len()) {
                    return Err(strange("RESP (an array of as many as asked)", text));
                }
                self.is_in_array = true;
                Ok(Some(head_bytes))
            }
            (Some(b'$'), Verb::Get) => {
                let key = request.keys[self.answered];
                let Some(value_bytes) = decimal(&text[1..]) else {
                    return Err(work.missed(key));
                };
                let whole = head_bytes + value_bytes + 2;
                if input.len() < whole {
                    return Ok(None);
                }
                work.verify(key, &input[head_bytes..head_bytes + value_bytes])?;
                self.answered += 1;
                Ok(Some(whole))
            }
            (Some(b'+'), Verb::Set) if text == b"+OK" => {
                self.answered += match work.shape {
                    Shape::Many => request.keys.len(),
                    _ => 1,
                };
                Ok(Some(head_bytes))
            }
            _ => Err(strange("RESP", text)),
        }
    }
}

fn set(out: &mut Vec<u8>, key: u64, work: &Work) {
    let ttl_ms = work.ttl_ms();
    head(out, if ttl_ms > 0 { 5 } else { 3 });
    out.extend_from_slice(b"$3\r\nSET\r\n");
    bulk_key(out, key, work);
    bulk_value(out, key, work);
    if ttl_ms > 0 {
        let text = ttl_ms.to_string();
        let written = write!(out, "$2\r\nPX\r\n${}\r\n{text}\r\n", text.len());
        written.expect("a vector takes everything");
    }
}

fn head(out: &mut Vec<u8>, elements: usize) {
    write!(out, "*{elements}\r\n").expect("a vector takes everything");
}

fn bulk_key(out: &mut Vec<u8>, key: u64, work: &Work) {
    write!(out, "${}\r\n", work.texts.key_bytes).expect("a vector takes everything");
    work.texts.key(key, out);
    out.extend_from_slice(b"\r\n");
}

fn bulk_value(out: &mut Vec<u8>, key: u64, work: &Work) {
    write!(out, "${}\r\n", work.texts.value_bytes).expect("a vector takes everything");
    work.texts.value(key, out);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::Resp;
    use crate::arguments::{Arguments, Shape, Verb};
    use crate::protocol::Protocol;
    use crate::work::{Request, Work};

    fn work(verb: Verb, shape: Shape, ttl_ms: u64) -> Work {
        Work::new(&Arguments {
            verb,
            shape,
            ttl_ms,
            key_bytes: 5,
            value_bytes: 6,
            ..Arguments::default()
        })
    }

    fn asked(keys: &[u64], work: &Work) -> (Resp, Vec<Request>, String) {
        let (mut resp, mut out) = (Resp::default(), Vec::new());
        assert!(resp.send(0, keys, work, &mut out).unwrap());
        let request = Request {
            keys: keys.to_vec(),
            asked_us: 0,
        };
        (resp, vec![request], String::from_utf8(out).unwrap())
    }

    /// However the answer is cut, it is read once.
    fn answered(resp: &mut Resp, requests: &[Request], work: &mut Work, answer: &[u8]) -> bool {
        let (mut held, mut done) = (Vec::new(), Vec::new());
        for byte in answer {
            held.push(*byte);
            let used = resp.receive(&held, requests, work, &mut Vec::new(), &mut done);
            held.drain(..used.unwrap());
        }
        done == [0] && held.is_empty()
    }

    fn value(work: &Work, key: u64) -> Vec<u8> {
        let mut out = b"$6\r\n".to_vec();
        work.texts.value(key, &mut out);
        out.extend_from_slice(b"\r\n");
        out
    }

    #[test]
    fn one_get() {
        let mut work = work(Verb::Get, Shape::Single, 0);
        let (mut resp, requests, said) = asked(&[3], &work);
        assert_eq!(said, "*2\r\n$3\r\nGET\r\n$5\r\nkey:3\r\n");
        let answer = value(&work, 3);
        assert!(answered(&mut resp, &requests, &mut work, &answer));
    }

    #[test]
    fn many_gets_in_one_command_and_in_one_pipeline() {
        let mut many = work(Verb::Get, Shape::Many, 0);
        let (mut resp, requests, said) = asked(&[1, 2], &many);
        assert_eq!(said, "*3\r\n$4\r\nMGET\r\n$5\r\nkey:1\r\n$5\r\nkey:2\r\n");
        let answer = [b"*2\r\n".to_vec(), value(&many, 1), value(&many, 2)].concat();
        assert!(answered(&mut resp, &requests, &mut many, &answer));

        let mut batch = work(Verb::Get, Shape::Batch, 0);
        let (mut resp, requests, said) = asked(&[1, 2], &batch);
        assert_eq!(said.matches("GET").count(), 2);
        let answer = [value(&batch, 1), value(&batch, 2)].concat();
        assert!(answered(&mut resp, &requests, &mut batch, &answer));
    }

    #[test]
    fn a_set_with_a_time_to_live() {
        let mut work = work(Verb::Set, Shape::Single, 1500);
        let (mut resp, requests, said) = asked(&[3], &work);
        assert!(said.starts_with("*5\r\n$3\r\nSET\r\n$5\r\nkey:3\r\n$6\r\nkey:3"));
        assert!(said.ends_with("$2\r\nPX\r\n$4\r\n1500\r\n"));
        assert!(answered(&mut resp, &requests, &mut work, b"+OK\r\n"));
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        for answer in [
            "$-1\r\n",
            "$6\r\nkey:4x\r\n",
            "-ERR no\r\n",
            "+OK\r\n",
            "*1\r\n",
        ] {
            let mut work = work(Verb::Get, Shape::Single, 0);
            let (mut resp, requests, _) = asked(&[3], &work);
            let mut done = Vec::new();
            let read = resp.receive(
                answer.as_bytes(),
                &requests,
                &mut work,
                &mut vec![],
                &mut done,
            );
            assert!(read.is_err(), "{answer}");
        }
    }
}
