//! A message in the making: a `FollowResponse` as it is sent, laid where the caller says.
//!
//! What a batch says of its data stands before it and is known after it. So its numbers are
//! padded to their longest, which every reader takes: the head of a batch has one length,
//! is left free, and is laid when the batch is closed. The data is copied once, out of the
//! log, and never again on its way to the socket.

use prost::Message;
use shoal_protos::replication::v1::{FollowBatch, FollowRefused, FollowResponse};

/// `FollowResponse.batches`, and the fields of `FollowBatch`: number and kind of each.
const BATCHES: u8 = 1 << 3 | 2;
const PARTITION: u8 = 1 << 3;
const EPOCH: u8 = 2 << 3;
const NUMBER: u8 = 3 << 3;
const DATA: u8 = 4 << 3 | 2;
const SNAPSHOT_BYTES: u8 = 5 << 3;
/// The longest that numbers of 32 and of 64 bits are.
const SHORT_BYTES: usize = 5;
const LONG_BYTES: usize = 10;
/// The fields before the data,
const FIELDS_BYTES: usize = (1 + SHORT_BYTES) + 2 * (1 + LONG_BYTES) + 2 * (1 + SHORT_BYTES);
/// and what stands before them.
const HEAD_BYTES: usize = (1 + SHORT_BYTES) + FIELDS_BYTES;

#[derive(Debug)]
pub(super) struct Draft<'a> {
    out: &'a mut Vec<u8>,
    /// Where the message begins.
    begins: usize,
    /// Where the batch begins that is not closed.
    open: Option<usize>,
    batch_count: usize,
    refused: FollowResponse,
}

impl<'a> Draft<'a> {
    /// Behind what stands in `out`.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Draft<'a> {
        Draft {
            begins: out.len(),
            out,
            open: None,
            batch_count: 0,
            refused: FollowResponse::default(),
        }
    }

    /// Where the data of the next batch is appended.
    pub(super) fn data(&mut self) -> &mut Vec<u8> {
        if self.open.is_none() {
            self.open = Some(self.out.len());
            self.out.extend_from_slice(&[0; HEAD_BYTES]);
        }
        self.out
    }

    /// How much of it there is.
    pub(super) fn open_bytes(&self) -> usize {
        self.open
            .map_or(0, |begins| self.out.len() - begins - HEAD_BYTES)
    }

    /// What was appended is the data of this batch, which has none of its own.
    pub(super) fn close(&mut self, batch: &FollowBatch) {
        let ends = self.data().len();
        let begins = self.open.take().expect("a batch was begun");
        let data_bytes = ends - begins - HEAD_BYTES;
        let mut head = Head(&mut self.out[begins..begins + HEAD_BYTES]);
        head.number::<SHORT_BYTES>(BATCHES, (FIELDS_BYTES + data_bytes) as u64);
        head.number::<SHORT_BYTES>(PARTITION, batch.partition.into());
        head.number::<LONG_BYTES>(EPOCH, batch.epoch);
        head.number::<LONG_BYTES>(NUMBER, batch.number);
        head.number::<SHORT_BYTES>(SNAPSHOT_BYTES, batch.snapshot_bytes.into());
        head.number::<SHORT_BYTES>(DATA, data_bytes as u64);
        debug_assert!(head.0.is_empty());
        self.batch_count += 1;
    }

    /// What was appended is nobody's.
    pub(super) fn discard(&mut self) {
        if let Some(begins) = self.open.take() {
            self.out.truncate(begins);
        }
    }

    pub(super) fn refuse(&mut self, refused: FollowRefused) {
        self.refused.refused.push(refused);
    }

    pub(super) fn batch_count(&self) -> usize {
        self.batch_count
    }

    /// Of the message so far.
    pub(super) fn bytes(&self) -> usize {
        let open = self.open.unwrap_or(self.out.len());
        open - self.begins + self.refused.refused.len() * HEAD_BYTES
    }

    /// Whether there is anything to say.
    pub(super) fn finish(mut self) -> bool {
        self.discard();
        self.refused
            .encode(self.out)
            .expect("a vector takes any number of bytes");
        self.out.len() > self.begins
    }
}

/// What is left of a head.
struct Head<'a>(&'a mut [u8]);

impl Head<'_> {
    /// A field and its number, of seven bits a byte, each but the last with a mark.
    fn number<const BYTES: usize>(&mut self, field: u8, mut number: u64) {
        let (head, rest) = std::mem::take(&mut self.0).split_at_mut(1 + BYTES);
        self.0 = rest;
        head[0] = field;
        for byte in &mut head[1..BYTES] {
            *byte = number as u8 | 0x80;
            number >>= 7;
        }
        debug_assert!(number < 0x80);
        head[BYTES] = number as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_protos::replication::v1::FollowRefusal;

    #[test]
    fn what_is_laid_is_read_as_the_message_that_it_is() {
        let batch = |partition, epoch, number, data: &'static [u8]| FollowBatch {
            partition,
            epoch,
            number,
            data: data.into(),
            snapshot_bytes: partition,
        };
        let batches = [
            batch(0, 0, 0, b""),
            batch(u32::MAX, u64::MAX, u64::MAX, b"one"),
            batch(300, 1 << 40, 7, &[5; 100_000]),
            batch(1, 1, 1, b""),
        ];
        let refused = FollowRefused {
            partition: 4,
            epoch: 5,
            number: 6,
            reason: FollowRefusal::Again.into(),
        };
        let mut out = b"before".to_vec();
        let mut draft = Draft::begin(&mut out);
        for batch in &batches {
            draft.data().extend_from_slice(b"nobody's");
            draft.discard();
            let before = draft.bytes();
            if !batch.data.is_empty() {
                draft.data().extend_from_slice(&batch.data);
            }
            assert_eq!(draft.open_bytes(), batch.data.len());
            assert_eq!(draft.bytes(), before, "it is nobody's yet");
            draft.close(batch);
            assert_eq!(draft.bytes(), before + HEAD_BYTES + batch.data.len());
        }
        draft.refuse(refused);
        draft.data().extend_from_slice(b"nobody's");
        assert_eq!(draft.batch_count(), batches.len());
        assert!(draft.finish());
        let said = FollowResponse {
            batches: batches.to_vec(),
            refused: vec![refused],
        };
        assert_eq!(out[..6], b"before"[..]);
        assert_eq!(FollowResponse::decode(&out[6..]).unwrap(), said);
    }

    #[test]
    fn who_has_nothing_to_say_lays_nothing() {
        let mut out = b"before".to_vec();
        let mut draft = Draft::begin(&mut out);
        draft.data().extend_from_slice(b"nobody's");
        assert!(!draft.finish());
        assert_eq!(out, b"before");
    }
}
