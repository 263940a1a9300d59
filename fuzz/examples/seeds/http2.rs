//! What a client sends, as frames and as field blocks.

use super::{Seeds, named, numbered};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// POST /shoal.v1.Cache/Get over http, with a field that enters the table.
fn head() -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x44, 19];
    block.extend(b"/shoal.v1.Cache/Get");
    block.extend(b"\x41\x01a\x40\x02te\x08trailers");
    block
}

/// The same once the table is filled.
const HEAD_AGAIN: &[u8] = &[0x83, 0x86, 0xc0, 0xbf, 0xbe];

pub(crate) fn connections() -> Seeds {
    let greeted = |cut: u8, frames: &[Vec<u8>]| [&[1, cut][..], &frames.concat()].concat();
    let message = b"\0\0\0\0\x03\x0a\x01k";
    let data = |stream, flags| frame(0, flags, stream, message);
    let open = |stream| frame(1, 4, stream, &head());
    let again = |stream, flags: u8| frame(1, 4 | flags, stream, HEAD_AGAIN);
    let settings = |pairs: &[(u16, u32)]| {
        let payload = pairs
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        frame(4, 0, 0, &payload.collect::<Vec<u8>>())
    };
    let update = |stream, more: u32| frame(8, 0, stream, &more.to_be_bytes());
    let padded = [&[3][..], &head(), &[0; 3]].concat();
    let prioritized = [&[0, 0, 0, 0, 16][..], &head()].concat();
    let many = (0..12)
        .map(|n| again(3 + 2 * n, 1))
        .collect::<Vec<_>>()
        .concat();
    named([
        (
            "calls",
            greeted(
                5,
                &[open(1), data(1, 1), again(3, 0), data(3, 0), data(3, 1)],
            ),
        ),
        (
            "large-answer",
            greeted(
                30,
                &[
                    open(5),
                    data(5, 1),
                    update(0, 9),
                    update(5, 70_000),
                    update(0, 70_000),
                ],
            ),
        ),
        (
            "stream",
            greeted(
                9,
                &[
                    open(11),
                    data(11, 0),
                    update(11, 100_000),
                    update(0, 100_000),
                    data(11, 1),
                ],
            ),
        ),
        (
            "continued",
            greeted(
                3,
                &[
                    frame(1, 1, 1, &head()[..9]),
                    frame(9, 0, 1, &head()[9..20]),
                    frame(9, 4, 1, &head()[20..]),
                ],
            ),
        ),
        (
            "padded",
            greeted(
                2,
                &[
                    frame(1, 4 | 8, 1, &padded),
                    frame(0, 8 | 1, 1, b"\x02abc\0\0"),
                ],
            ),
        ),
        (
            "prioritized",
            greeted(
                7,
                &[frame(1, 4 | 0x20, 1, &prioritized), frame(2, 0, 3, &[0; 5])],
            ),
        ),
        (
            "settings",
            greeted(
                1,
                &[
                    settings(&[(1, 0), (2, 0), (3, 100), (4, 10), (5, 20_000), (6, 4096)]),
                    open(5),
                    data(5, 1),
                    settings(&[(4, 100_000)]),
                    frame(4, 1, 0, &[]),
                ],
            ),
        ),
        (
            "pings",
            greeted(
                4,
                &[
                    frame(6, 0, 0, b"12345678"),
                    frame(6, 1, 0, b"keepaliv"),
                    frame(7, 0, 0, &[0; 8]),
                ],
            ),
        ),
        (
            "leaving",
            greeted(
                4,
                &[
                    open(13),
                    data(13, 1),
                    frame(6, 1, 0, b"shutdown"),
                    again(15, 1),
                ],
            ),
        ),
        (
            "resets",
            greeted(
                6,
                &[
                    open(3),
                    frame(3, 0, 3, &8_u32.to_be_bytes()),
                    again(5, 0),
                    frame(3, 0, 5, &[0; 4]),
                    data(5, 1),
                ],
            ),
        ),
        ("refused", greeted(50, &[open(15), many])),
        (
            "trailers",
            greeted(8, &[open(1), data(1, 0), frame(1, 5, 1, b"\x40\x01x\x01y")]),
        ),
        (
            "length",
            greeted(
                8,
                &[
                    frame(1, 4, 3, &[&head()[..], b"\x0f\x0d\x018"].concat()),
                    data(3, 1),
                ],
            ),
        ),
        (
            "too-large",
            greeted(
                90,
                &[frame(
                    1,
                    5,
                    1,
                    &[&head()[..], &b"\x40\x01f\x7f\x00"[..], &[b'v'; 127]].concat(),
                )],
            ),
        ),
        (
            "unknown",
            greeted(
                5,
                &[frame(0x7b, 0xff, 77, b"anything"), frame(5, 4, 2, &[0; 8])],
            ),
        ),
        (
            "no-greeting",
            b"\0\x03PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        ),
        ("http1", b"\0\x05GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
    ])
}

pub(crate) fn frames() -> Seeds {
    numbered([
        frame(0, 8, 1, b"\x02abcd"),
        frame(1, 0x28, 3, b"\x01\0\0\0\x01\x10xyz"),
        frame(1, 0x20, 3, b"\0\0\0\x03\x10xyz"),
        frame(9, 4, 3, b"rest"),
        frame(0, 8, 1, b"\xff"),
        vec![0; 8],
    ])
}

/// The blocks of RFC 7541, appendix C, and some of their errors.
pub(crate) fn blocks() -> Seeds {
    let row = |blocks: &[&[u8]]| {
        let mut seed = vec![1];
        for block in blocks {
            seed.push(block.len() as u8);
            seed.extend(*block);
        }
        seed
    };
    let plain: &[&[u8]] = &[
        b"\x82\x86\x84\x41\x0fwww.example.com",
        b"\x82\x86\x84\xbe\x58\x08no-cache",
        b"\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
    ];
    let huffman: &[&[u8]] = &[
        b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
        b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
        b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
    ];
    let said = b"\0\x01\x05\0\x01\x02\x03\x03418\x06\x04name\x05value\x01\0\x10\x01\x02\0\x01";
    named([
        ("plain", row(plain)),
        ("huffman", row(huffman)),
        (
            "resized",
            row(&[
                b"\x3f\x61\x82",
                b"\x20\x3f\xe1\x01\x84",
                b"\x40\x01a\x01b\xbe",
            ]),
        ),
        (
            "evicted",
            row(&[
                &[&b"\x40\x01a\x64"[..], &[b'v'; 100]].concat(),
                &[&b"\x40\x01b\x64"[..], &[b'w'; 100]].concat(),
                b"\xbe\xbf",
            ]),
        ),
        (
            "never",
            row(&[b"\x10\x08password\x06secret", b"\x04\x0c/sample/path"]),
        ),
        ("no-such-index", row(&[b"\xbe"])),
        ("bad-padding", row(&[b"\x40\x01a\x81\x00"])),
        ("end-of-string", row(&[b"\x40\x01a\x84\xff\xff\xff\xff"])),
        ("long-integer", row(&[b"\x7f\xff\xff\xff\xff\x0f\x01a"])),
        ("cut", row(&[b"\x40\x0acusto"])),
        ("said", said.to_vec()),
    ])
}
