//! The header blocks of a gRPC call: one that is sent again and again, two that come back.
//!
//! A block that neither adds to the dynamic table nor resizes it means the same each time it
//! comes while the table stands: it is decoded once and known by its bytes afterwards.

use httlib_hpack::Decoder;

/// Blocks remembered at a time.
const KNOWN_MAX: usize = 8;
/// Entries are added to the server's table only where it is at least so large.
const TABLE_BYTES_MIN: u32 = 1024;

/// What a block of a response says that matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: Option<u16>,
    pub(super) grpc_status: Option<u32>,
    pub(super) grpc_message: String,
}

/// Writes the same request headers on every stream of a connection.
pub(super) struct Requests {
    path: &'static str,
    authority: String,
    table_bytes: u32,
    is_first: bool,
}

impl Requests {
    pub(super) fn new(path: &'static str, authority: String) -> Self {
        Self {
            path,
            authority,
            table_bytes: 4096,
            is_first: true,
        }
    }

    /// The server's `SETTINGS_HEADER_TABLE_SIZE`; before the first block only.
    pub(super) fn set_table_bytes(&mut self, bytes: u32) {
        self.table_bytes = bytes.min(4096);
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        let is_indexed = self.table_bytes >= TABLE_BYTES_MIN;
        if is_indexed && !self.is_first {
            // POST, http, then the five that the first block added, the oldest first.
            out.extend_from_slice(&[0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]);
            return;
        }
        if self.is_first && self.table_bytes < 4096 {
            integer(0x20, 5, self.table_bytes as usize, out);
        }
        self.is_first = false;
        out.extend_from_slice(&[0x83, 0x86]);
        let (flag, bits) = if is_indexed { (0x40, 6) } else { (0x00, 4) };
        for (name_index, name, value) in [
            (4, "", self.path),
            (1, "", self.authority.as_str()),
            (31, "", "application/grpc"),
            (0, "te", "trailers"),
            (58, "", concat!("shoal-loader/", env!("CARGO_PKG_VERSION"))),
        ] {
            integer(flag, bits, name_index, out);
            if name_index == 0 {
                text(name, out);
            }
            text(value, out);
        }
    }
}

/// Reads the header blocks of a connection's responses.
pub(super) struct Responses<'a> {
    decoder: Decoder<'a>,
    known: Vec<(Vec<u8>, Said)>,
}

impl Responses<'_> {
    pub(super) fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            known: Vec::new(),
        }
    }

    /// Every block must pass through here, in order.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Said, String> {
        if let Some((_, said)) = self.known.iter().find(|(known, _)| known == block) {
            return Ok(said.clone());
        }
        let mut fields = Vec::new();
        self.decoder
            .decode(&mut block.to_vec(), &mut fields)
            .map_err(|error| format!("a header block cannot be read: {error:?}"))?;
        let mut said = Said::default();
        for (name, value, _) in fields {
            let value = String::from_utf8_lossy(&value).into_owned();
            match name.as_slice() {
                b":status" => said.status = value.parse().ok(),
                b"grpc-status" => said.grpc_status = value.parse().ok(),
                b"grpc-message" => said.grpc_message = value,
                _ => {}
            }
        }
        if leaves_table_alone(block) != Some(true) {
            self.known.clear();
        } else if self.known.len() < KNOWN_MAX {
            self.known.push((block.to_vec(), said.clone()));
        }
        Ok(said)
    }
}

/// Whether a block only reads the dynamic table. None: it is cut.
fn leaves_table_alone(mut block: &[u8]) -> Option<bool> {
    while let Some(&first) = block.first() {
        match first {
            0x80.. => {
                skip_integer(&mut block, 7)?;
            }
            0x20..0x80 => return Some(false),
            _ => {
                if skip_integer(&mut block, 4)? == 0 {
                    skip_text(&mut block)?;
                }
                skip_text(&mut block)?;
            }
        }
    }
    Some(true)
}

fn skip_text(block: &mut &[u8]) -> Option<()> {
    let length = skip_integer(block, 7)?;
    *block = block.get(length..)?;
    Some(())
}

fn skip_integer(block: &mut &[u8], bits: u32) -> Option<usize> {
    let (&first, mut rest) = block.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut number = usize::from(first) & most;
    if number == most {
        for shift in [0, 7, 14, 21] {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            number += usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
    }
    *block = rest;
    Some(number)
}

fn text(text: &str, out: &mut Vec<u8>) {
    integer(0, 7, text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn integer(flag: u8, bits: u32, number: usize, out: &mut Vec<u8>) {
    let most = (1_usize << bits) - 1;
    if number < most {
        out.push(flag | number as u8);
        return;
    }
    out.push(flag | most as u8);
    let mut rest = number - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use httlib_hpack::Decoder;

    use super::{Requests, Responses};

    fn decoded(decoder: &mut Decoder<'_>, block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        decoder.decode(&mut block.to_vec(), &mut fields).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        fields
            .into_iter()
            .map(|(name, value, _)| (text(name), text(value)))
            .collect()
    }

    #[test]
    fn every_request_says_the_same() {
        for table_bytes in [0, 512, 1024, 4096, 65_536] {
            let mut requests = Requests::new("/shoal.v1.Cache/Get", "127.0.0.1:7400".into());
            requests.set_table_bytes(table_bytes);
            let mut decoder = Decoder::default();
            for turn in 0..3 {
                let mut block = Vec::new();
                requests.write(&mut block);
                let fields = decoded(&mut decoder, &block);
                let of = |name| &fields.iter().find(|(found, _)| found == name).unwrap().1;
                assert_eq!(of(":method"), "POST");
                assert_eq!(of(":scheme"), "http");
                assert_eq!(of(":path"), "/shoal.v1.Cache/Get");
                assert_eq!(of(":authority"), "127.0.0.1:7400");
                assert_eq!(of("content-type"), "application/grpc");
                assert_eq!(of("te"), "trailers");
                assert_eq!(fields.len(), 7);
                assert!(turn == 0 || table_bytes < 1024 || block.len() == 7);
            }
        }
    }

    #[test]
    fn a_block_is_known_until_the_table_changes() {
        let mut responses = Responses::new();
        // grpc-status: 0, added to the table; then by its index.
        let mut added = vec![0x40, 11];
        added.extend_from_slice(b"grpc-status");
        added.extend_from_slice(&[1, b'0']);
        assert_eq!(responses.read(&added).unwrap().grpc_status, Some(0));
        assert_eq!(responses.read(&[0xbe]).unwrap().grpc_status, Some(0));
        assert_eq!(responses.known.len(), 1);
        assert_eq!(responses.read(&[0xbe]).unwrap().grpc_status, Some(0));
        let failed = added.len() - 1;
        added[failed] = b'7';
        assert_eq!(responses.read(&added).unwrap().grpc_status, Some(7));
        assert!(responses.known.is_empty());
        assert_eq!(responses.read(&[0xbe]).unwrap().grpc_status, Some(7));
        assert_eq!(responses.read(&[0xbf]).unwrap().grpc_status, Some(0));
        assert_eq!(responses.read(&[0x88]).unwrap().status, Some(200));
    }

    #[test]
    fn literals_that_are_not_added_are_known_too() {
        let mut responses = Responses::new();
        let mut block = vec![0x00, 11];
        block.extend_from_slice(b"grpc-status");
        block.extend_from_slice(&[1, b'0']);
        responses.read(&block).unwrap();
        assert_eq!(responses.known.len(), 1);
    }
}
