//! The decoder against the examples of RFC 7541, appendix C, and against blocks that
//! another implementation encoded (`vectors.txt`, written by `vectors.py`).

use shoal_http2::Head;
use shoal_http2::hpack::Decoder;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn decoded(decoder: &mut Decoder, hex: &str) -> Vec<(String, String)> {
    let mut head = Head::new(1_000_000);
    decoder.decode(&bytes(hex), &mut head).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    head.all_fields().map(|(n, v)| (text(n), text(v))).collect()
}

fn expect(decoder: &mut Decoder, hex: &str, fields: &[(&str, &str)]) {
    let fields: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(decoded(decoder, hex), fields);
}

const FIRST: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "www.example.com"),
];
const SECOND: [(&str, &str); 5] = [
    FIRST[0],
    FIRST[1],
    FIRST[2],
    FIRST[3],
    ("cache-control", "no-cache"),
];
const THIRD: [(&str, &str); 5] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
];

#[test]
fn single_fields_of_appendix_c_2() {
    let alone = || Decoder::new(4096);
    let hex = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    expect(&mut alone(), hex, &[("custom-key", "custom-header")]);
    let hex = "040c 2f73 616d 706c 652f 7061 7468";
    expect(&mut alone(), hex, &[(":path", "/sample/path")]);
    let hex = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    expect(&mut alone(), hex, &[("password", "secret")]);
    expect(&mut alone(), "82", &[(":method", "GET")]);
}

#[test]
fn requests_of_appendix_c_3_and_with_huffman_c_4() {
    let plain = &mut Decoder::new(4096);
    expect(
        plain,
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        &FIRST,
    );
    expect(plain, "8286 84be 5808 6e6f 2d63 6163 6865", &SECOND);
    let hex = "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65";
    expect(plain, hex, &THIRD);
    let huffman = &mut Decoder::new(4096);
    expect(
        huffman,
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        &FIRST,
    );
    expect(huffman, "8286 84be 5886 a8eb 1064 9cbf", &SECOND);
    let hex = "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf";
    expect(huffman, hex, &THIRD);
}

#[test]
fn responses_of_appendix_c_6_with_a_table_that_evicts() {
    let decoder = &mut Decoder::new(256);
    let (date, location) = ("Mon, 21 Oct 2013 20:13:21 GMT", "https://www.example.com");
    let hex = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
               2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    let first = [
        (":status", "302"),
        ("cache-control", "private"),
        ("date", date),
        ("location", location),
    ];
    expect(decoder, hex, &first);
    let second = [(":status", "307"), first[1], first[2], first[3]];
    expect(decoder, "4883 640e ffc1 c0bf", &second);
    let hex = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
               77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
               9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    let third = [
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", location),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ];
    expect(decoder, hex, &third);
}

#[test]
fn what_another_implementation_encodes_is_decoded() {
    let mut decoder = Decoder::new(4096);
    let mut blocks = 0;
    for story in include_str!("vectors.txt").split("\n\n") {
        let mut lines = story.lines();
        let Some(hex) = lines.next() else { continue };
        if hex == "new" {
            decoder = Decoder::new(4096);
            continue;
        }
        let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once('\t').unwrap()).collect();
        expect(&mut decoder, hex, &fields);
        blocks += 1;
    }
    assert!(blocks >= 200, "only {blocks} blocks");
}

#[test]
fn a_block_cut_short_is_refused_or_means_less() {
    for hex in [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "400a 6375 7374 6f6d",
    ] {
        let whole = bytes(hex);
        for end in 0..whole.len() {
            let mut head = Head::new(1000);
            // It may end behind a field: then the fields are fewer.
            let _ = Decoder::new(4096).decode(&whole[..end], &mut head);
            assert!(head.all_fields().count() < 4);
        }
    }
}
