//! Header blocks that RFC 7541 or RFC 9113 forbid, one by one.

use crate::frame::code::{COMPRESSION_ERROR, PROTOCOL_ERROR};
use crate::frame::{flag, frame, kind};
use crate::hpack;
use crate::malformed::Answer::{self, Connection, Stream};
use crate::malformed::{GET, case};
use crate::scene::Scene;

fn headers(block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flag::WHOLE, 1, block)
}

fn with(fields: &[u8]) -> Vec<u8> {
    headers(&[&hpack::request(GET), fields].concat())
}

#[test]
fn header_blocks() {
    let scene = Scene::new("");
    let compression: Answer = Connection(&[COMPRESSION_ERROR]);
    let refused: Answer = Stream(&[PROTOCOL_ERROR]);
    let field = hpack::literal;
    for (name, bytes, answer) in [
        ("index zero", with(&[0x80]), compression),
        (
            "an index beyond the tables",
            with(&[0xff, 0x50]),
            compression,
        ),
        ("an index of a hundred bits", with(&[0xff; 16]), compression),
        ("an integer that ends too soon", with(&[0xff]), compression),
        (
            "a name that ends too soon",
            with(&[0x00, 0x0a, b'a']),
            compression,
        ),
        (
            "a value that ends too soon",
            with(&[0x00, 0x01, b'a', 0x05, b'v']),
            compression,
        ),
        (
            "a string of 4 GiB",
            with(&[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            compression,
        ),
        (
            "Huffman's end of string",
            with(&[0x00, 0x01, b'a', 0x84, 0xff, 0xff, 0xff, 0xff]),
            compression,
        ),
        (
            "a table of a gigabyte",
            headers(&[hpack::table_size(1 << 30), hpack::request(GET)].concat()),
            compression,
        ),
        (
            "a size behind the fields",
            with(&hpack::table_size(100)),
            compression,
        ),
        ("a name in capitals", with(&field("UPPER", "v")), refused),
        (
            "a pseudo field behind others",
            with(&field(":path", "/")),
            refused,
        ),
        (
            "a pseudo field that is none",
            headers(&[field(":what", "v"), hpack::request(GET)].concat()),
            refused,
        ),
        (
            "a status in a request",
            headers(&[field(":status", "200"), hpack::request(GET)].concat()),
            refused,
        ),
        (
            "a field of the connection",
            with(&field("connection", "close")),
            refused,
        ),
        (
            "a transfer encoding",
            with(&field("transfer-encoding", "chunked")),
            refused,
        ),
        (
            "a te that is not trailers",
            with(&field("te", "gzip")),
            refused,
        ),
        (
            "a value with a line's end",
            with(&field("a", "b\r\nc")),
            refused,
        ),
        (
            "no method",
            headers(&[field(":scheme", "http"), field(":path", GET)].concat()),
            refused,
        ),
        ("no path", headers(&[0x83, 0x86]), refused),
        (
            "two paths",
            headers(&[vec![0x83, 0x86], field(":path", GET), field(":path", GET)].concat()),
            refused,
        ),
        ("no fields", headers(&[]), refused),
    ] {
        case(&scene, name, &bytes, answer);
    }
    scene.holds();
}
