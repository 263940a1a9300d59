//! HPACK (RFC 7541): field compression, a decoder for requests and an encoder for
//! responses.

mod decode;
mod encode;
mod huffman;
mod integer;
mod table;

pub use decode::{Decoder, Error};
pub use encode::Encoder;
