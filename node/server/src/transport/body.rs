//! A response's body: one message and its trailers, or what tonic has framed.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

/// The bytes before a message: not compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// Bytes to send: what is left of a prefix, then a message that is not copied.
#[derive(Debug)]
pub(super) struct Framed {
    prefix: [u8; PREFIX_BYTES],
    sent: usize,
    message: Bytes,
}

/// See the module.
#[derive(Default)]
pub(super) enum ResponseBody {
    /// A message, then the trailers of a success.
    Message(Framed),
    /// The trailers of a success.
    Trailers,
    /// Nothing, or nothing more.
    #[default]
    End,
    /// A stream, or an error.
    Tonic(tonic::body::Body),
}

impl Framed {
    fn bare(message: Bytes) -> Framed {
        Framed {
            prefix: [0; PREFIX_BYTES],
            sent: PREFIX_BYTES,
            message,
        }
    }
}

impl ResponseBody {
    /// The body of a unary answer.
    pub(super) fn message(message: Bytes) -> ResponseBody {
        // Answers are bounded far below 4 GiB.
        let length = u32::try_from(message.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let mut prefix = [0; PREFIX_BYTES];
        prefix[1..].copy_from_slice(&length);
        ResponseBody::Message(Framed {
            prefix,
            sent: 0,
            message,
        })
    }
}

impl Buf for Framed {
    fn remaining(&self) -> usize {
        PREFIX_BYTES - self.sent + self.message.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.sent < PREFIX_BYTES {
            &self.prefix[self.sent..]
        } else {
            &self.message
        }
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for part in [&self.prefix[self.sent..], &self.message] {
            if !part.is_empty() && filled < into.len() {
                into[filled] = IoSlice::new(part);
                filled += 1;
            }
        }
        filled
    }

    fn advance(&mut self, count: usize) {
        let of_prefix = count.min(PREFIX_BYTES - self.sent);
        self.sent += of_prefix;
        self.message.advance(count - of_prefix);
    }
}

impl Body for ResponseBody {
    type Data = Framed;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Framed>, Status>>> {
        let this = self.get_mut();
        if let ResponseBody::Tonic(body) = this {
            let polled = Pin::new(body).poll_frame(cx);
            return polled.map_ok(|frame| frame.map_data(Framed::bare));
        }
        let next = match this {
            ResponseBody::Message(_) => ResponseBody::Trailers,
            _ => ResponseBody::End,
        };
        Poll::Ready(match std::mem::replace(this, next) {
            ResponseBody::Message(framed) => Some(Ok(Frame::data(framed))),
            ResponseBody::Trailers => Some(Ok(Frame::trailers(success()))),
            _ => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Tonic(body) => body.is_end_stream(),
            ResponseBody::End => true,
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Tonic(body) => body.size_hint(),
            ResponseBody::Message(framed) => SizeHint::with_exact(framed.remaining() as u64),
            _ => SizeHint::with_exact(0),
        }
    }
}

fn success() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    );
    trailers
}

#[cfg(test)]
mod tests {
    use super::ResponseBody;
    use bytes::{Buf, Bytes};
    use std::io::IoSlice;

    #[test]
    fn a_message_stands_behind_its_length() {
        let ResponseBody::Message(mut framed) = ResponseBody::message(Bytes::from_static(b"abc"))
        else {
            panic!("a message");
        };
        let mut parts = [IoSlice::new(&[]); 4];
        assert_eq!(framed.chunks_vectored(&mut parts), 2);
        assert_eq!(
            (&*parts[0], &*parts[1]),
            (&[0, 0, 0, 0, 3][..], &b"abc"[..])
        );
        framed.advance(3);
        assert_eq!(framed.chunk(), [0, 3]);
        framed.advance(3);
        assert_eq!((framed.chunk(), framed.remaining()), (&b"bc"[..], 2));
        framed.advance(2);
        assert!(!framed.has_remaining());
    }
}
