//! The last heads of a connection. Clients send the same field block with every
//! request of a method, once their table is filled: then it is not decoded again.
//!
//! Invariant: a block is found only while the decoder's table is what it was when
//! the block was decoded, and decoding it had changed nothing.

use crate::head::Head;
use crate::hpack::{Decoder, Error};

const KEPT: usize = 4;

#[derive(Debug)]
struct Kept {
    block: Vec<u8>,
    /// The decoder's, or none if the block changed the table.
    generation: Option<u64>,
    head: Head,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Heads {
    decoder: Decoder,
    kept: [Kept; KEPT],
    /// The head that was decoded last.
    current: usize,
    /// Where the next one goes.
    next: usize,
    decoded: u64,
}

impl Heads {
    pub(crate) fn new(table_bytes_max: u32, list_bytes_max: u32) -> Heads {
        let kept = || Kept {
            block: Vec::new(),
            generation: None,
            head: Head::new(list_bytes_max),
        };
        Heads {
            decoder: Decoder::new(table_bytes_max),
            kept: std::array::from_fn(|_| kept()),
            current: 0,
            next: 0,
            decoded: 0,
        }
    }

    /// The head that was decoded last.
    pub(crate) fn current(&self) -> &Head {
        &self.kept[self.current].head
    }

    /// Decode a block; [`Heads::current`] is its head then.
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<(), Error> {
        let generation = self.decoder.generation();
        let found = self
            .kept
            .iter()
            .position(|kept| kept.generation == Some(generation) && kept.block == block);
        if let Some(found) = found {
            self.current = found;
            return Ok(());
        }
        self.current = self.next;
        self.next = (self.next + 1) % KEPT;
        self.decoded += 1;
        let kept = &mut self.kept[self.current];
        kept.generation = None;
        kept.head.clear(self.decoded);
        self.decoder.decode(block, &mut kept.head)?;
        if self.decoder.generation() == generation {
            kept.generation = Some(generation);
            kept.block.clear();
            kept.block.extend_from_slice(block);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Heads;

    #[test]
    fn a_repeated_block_is_found_until_the_table_changes() {
        let mut heads = Heads::new(4096, 4096);
        let fills = b"\x40\x01a\x01b";
        let refers = b"\xbe";
        heads.decode(fills).unwrap();
        heads.decode(refers).unwrap();
        let first = heads.current().id();
        assert_eq!(heads.current().get(b"a"), Some(&b"b"[..]));
        heads.decode(refers).unwrap();
        assert_eq!(heads.current().id(), first);
        heads.decode(b"\x40\x01c\x01d").unwrap();
        heads.decode(refers).unwrap();
        assert_ne!(heads.current().id(), first);
        assert_eq!(heads.current().get(b"c"), Some(&b"d"[..]));
    }

    #[test]
    fn a_block_that_changes_the_table_changes_it_each_time() {
        let mut heads = Heads::new(4096, 4096);
        for n in 1..=3 {
            heads.decode(b"\x40\x01a\x01b").unwrap();
            assert_eq!(heads.current().id(), n);
        }
        heads.decode(b"\xbe\xbf\xc0").unwrap();
        assert_eq!(heads.current().fields().count(), 3);
        assert!(heads.decode(b"\xc1").is_err());
    }
}
