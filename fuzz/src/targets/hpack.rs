//! HPACK against an independent implementation: a row of field blocks means the same
//! to both decoders, and what the encoder writes means to the other one what was to be
//! said.
//!
//! Where the other one is laxer or stricter than RFC 7541 asks, this says so; blocks
//! behind such a one are not compared, because the tables differ from then on.

use bytes::BytesMut;
use loona_hpack::Decoder as Other;
use loona_hpack::decoder::{DecoderError, IntegerDecodingError};
use shoal_http2::hpack::{Decoder, Encoder, Error};
use shoal_http2::{Field, Head, StaticField};

use crate::input::Input;

const TABLE_BYTES_MAX: usize = 256;
const FREQUENT: &[StaticField] = &[
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-status", b"0"),
];

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    match input.byte() % 4 {
        0 => what_is_encoded_is_what_was_said(&mut input),
        _ => blocks_mean_the_same_to_both(&mut input),
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn blocks_mean_the_same_to_both(input: &mut Input<'_>) {
    let mut own = Decoder::new(TABLE_BYTES_MAX as u32);
    let mut other = Other::new();
    other.set_max_table_size(TABLE_BYTES_MAX);
    other.set_max_allowed_table_size(TABLE_BYTES_MAX);
    while !input.is_empty() {
        let block = input.piece();
        let mut head = Head::new(1 << 20);
        let read = own.decode(block, &mut head);
        match (read, other.decode(block)) {
            (Ok(()), Ok(fields)) => compare(&head, &fields),
            // The other one reads no integer of more than four bytes behind its prefix,
            // and no block that ends with a new size of the table.
            (_, Err(DecoderError::IntegerDecodingError(IntegerDecodingError::TooManyOctets)))
            | (Ok(()), Err(DecoderError::SizeUpdateAtEnd)) => return,
            // It takes a new size behind a field.
            (Err(Error::BadSize), _) => return,
            (Err(_), Err(_)) => return,
            (own, other) => panic!("{own:?} and {other:?} for {block:02x?}"),
        }
    }
}

fn compare(head: &Head, fields: &Fields) {
    let (pseudo, rest): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(name, _)| name.starts_with(b":"));
    let own: Vec<Field<'_>> = head.fields().collect();
    let rest: Vec<Field<'_>> = rest.iter().map(|(n, v)| (&n[..], &v[..])).collect();
    assert_eq!(own, rest);
    let of = |name: &[u8]| {
        pseudo
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, v)| &v[..])
    };
    if head.check().is_ok() {
        let told = [Some(head.method()), Some(head.path()), Some(head.scheme())];
        assert_eq!(told, [of(b":method"), of(b":path"), of(b":scheme")]);
        assert_eq!(head.authority(), of(b":authority").unwrap_or_default());
    }
}

fn what_is_encoded_is_what_was_said(input: &mut Input<'_>) {
    let mut encoder = Encoder::new(FREQUENT);
    let mut other = Other::new();
    let mut own = Decoder::new(4096);
    let mut size_max = 4096;
    while !input.is_empty() {
        if input.byte().is_multiple_of(8) {
            let size = u32::from(input.short()) % 5000;
            encoder.resize(size);
            size_max = size_max.min(size as usize);
        }
        let mut said: Fields = Vec::new();
        for _ in 0..input.byte() % 6 {
            let choice = usize::from(input.byte() % 8);
            let field = FREQUENT.get(choice).map(|(n, v)| (n.to_vec(), v.to_vec()));
            said.push(field.unwrap_or_else(|| match choice {
                3 => (b":status".to_vec(), input.piece().to_vec()),
                4 => (b"content-type".to_vec(), input.piece().to_vec()),
                _ => (input.piece().to_vec(), input.piece().to_vec()),
            }));
        }
        if said.is_empty() {
            // A response always says something; the other decoder takes no block of
            // nothing but a new size.
            said.push((b"grpc-status".to_vec(), b"1".to_vec()));
        }
        let mut block = BytesMut::new();
        encoder.encode(said.iter().map(|(n, v)| (&n[..], &v[..])), &mut block);
        other.set_max_allowed_table_size(size_max);
        assert_eq!(other.decode(&block).unwrap(), said);
        let mut head = Head::new(1 << 20);
        own.decode(&block, &mut head).unwrap();
        compare(&head, &said);
    }
}
