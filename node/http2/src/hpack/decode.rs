//! From a field block to fields.
//!
//! Every block must be decoded, whatever becomes of its stream: the table is shared
//! by all. What does not fit the head's bound is decoded and not kept.

use crate::head::{self, Head};
use crate::hpack::table::{Entry, Table};
use crate::hpack::{huffman, integer};

/// The block cannot be decoded, and none after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It ends within a field.
    CutShort,
    /// An index that no entry has.
    NoSuchIndex,
    /// A string that is no Huffman code.
    NotHuffman,
    /// A change of the table's size that is too large, or not at the beginning.
    BadSize,
}

/// The state that a connection's field blocks share.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    size_max: usize,
    /// The literal that is being read; kept for its capacity.
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A name or a value, as it stands in the block.
enum Text<'a> {
    Plain(&'a [u8]),
    Huffman(&'a [u8]),
}

impl Decoder {
    /// With an empty table of at most so many bytes.
    #[must_use]
    pub fn new(table_bytes_max: u32) -> Decoder {
        let size_max = table_bytes_max as usize;
        Decoder {
            table: Table::new(size_max),
            size_max,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Changes with the table: two blocks of the same bytes mean the same while it
    /// does not.
    pub(crate) fn generation(&self) -> u64 {
        self.table.generation()
    }

    /// Decode one whole block and add its fields to `head`.
    ///
    /// # Errors
    /// [`Error`]; the connection cannot go on.
    pub fn decode(&mut self, mut block: &[u8], head: &mut Head) -> Result<(), Error> {
        let mut at_the_beginning = true;
        while let Some(first) = block.first() {
            match first {
                0x80.. => {
                    let index = integer::read(&mut block, 7).ok_or(Error::CutShort)?;
                    let entry = self.table.get(index).ok_or(Error::NoSuchIndex)?;
                    head.push(entry.name, entry.value, entry.is_valid);
                }
                0x40.. => self.literal(&mut block, 6, true, head)?,
                0x20.. => {
                    let size = integer::read(&mut block, 5).ok_or(Error::CutShort)?;
                    if !at_the_beginning || size > self.size_max {
                        return Err(Error::BadSize);
                    }
                    self.table.resize(size);
                    continue;
                }
                _ => self.literal(&mut block, 4, false, head)?,
            }
            at_the_beginning = false;
        }
        Ok(())
    }

    fn literal(
        &mut self,
        block: &mut &[u8],
        prefix_bits: u32,
        indexed: bool,
        head: &mut Head,
    ) -> Result<(), Error> {
        let index = integer::read(block, prefix_bits).ok_or(Error::CutShort)?;
        self.name.clear();
        if index == 0 {
            text(block)?.append_to(&mut self.name)?;
        } else {
            let entry = self.table.get(index).ok_or(Error::NoSuchIndex)?;
            self.name.extend_from_slice(entry.name);
        }
        self.value.clear();
        text(block)?.append_to(&mut self.value)?;
        let is_valid = head::is_field(&self.name, &self.value);
        head.push(&self.name, &self.value, is_valid);
        if indexed {
            self.table.insert(Entry {
                name: &self.name,
                value: &self.value,
                is_valid,
            });
        }
        Ok(())
    }
}

fn text<'a>(block: &mut &'a [u8]) -> Result<Text<'a>, Error> {
    let is_huffman = block.first().ok_or(Error::CutShort)? & 0x80 != 0;
    let bytes = integer::read(block, 7).ok_or(Error::CutShort)?;
    let (text, rest) = block.split_at_checked(bytes).ok_or(Error::CutShort)?;
    *block = rest;
    Ok(if is_huffman {
        Text::Huffman(text)
    } else {
        Text::Plain(text)
    })
}

impl Text<'_> {
    fn append_to(self, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Text::Plain(text) => out.extend_from_slice(text),
            Text::Huffman(code) => huffman::decode(code, out).map_err(|_| Error::NotHuffman)?,
        }
        Ok(())
    }
}
