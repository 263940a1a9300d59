//! A message in the making. The data of all its batches lies in one buffer, which is
//! taken again for the next message once the transport has copied this one: a buffer a
//! batch would cost a write of a kibibyte as much as its place in the log does.

use std::ops::Range;

use bytes::Bytes;
use shoal_protos::replication::v1::{FollowBatch, FollowRefused, FollowResponse};

/// What a batch takes beside its data.
const BATCH_BYTES: usize = 32;
/// A buffer is kept that is not larger than what lay in it by more than this.
const SPARE_PART: usize = 4;
const SPARE_BYTES: usize = 4 << 10;

/// The buffer of the message before. Nothing, where it was far too large.
#[derive(Debug, Default)]
pub(super) struct Spare(Bytes);

#[derive(Debug)]
pub(super) struct Draft {
    message: FollowResponse,
    data: Vec<u8>,
    /// Where the data of each batch lies.
    places: Vec<Range<usize>>,
    /// Of all batches.
    closed_bytes: usize,
}

impl Draft {
    pub(super) fn begin(spare: &mut Spare) -> Draft {
        let before = std::mem::take(&mut spare.0).try_into_mut();
        let data = before.map_or_else(
            |_still_on_its_way| Vec::new(),
            |mut buffer| {
                buffer.clear();
                Vec::from(buffer)
            },
        );
        Draft {
            message: FollowResponse::default(),
            data,
            places: Vec::new(),
            closed_bytes: 0,
        }
    }

    /// Where the data of the next batch is appended.
    pub(super) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// How much of it there is.
    pub(super) fn open_bytes(&self) -> usize {
        self.data.len() - self.closed_bytes
    }

    /// What was appended is this batch's.
    pub(super) fn close(&mut self, batch: FollowBatch) {
        self.places.push(self.closed_bytes..self.data.len());
        self.closed_bytes = self.data.len();
        self.message.batches.push(batch);
    }

    /// What was appended is nobody's.
    pub(super) fn discard(&mut self) {
        self.data.truncate(self.closed_bytes);
    }

    pub(super) fn refuse(&mut self, refused: FollowRefused) {
        self.message.refused.push(refused);
    }

    pub(super) fn batch_count(&self) -> usize {
        self.message.batches.len()
    }

    /// Of the message, about.
    pub(super) fn bytes(&self) -> usize {
        let parts = self.message.batches.len() + self.message.refused.len();
        self.closed_bytes + parts * BATCH_BYTES
    }

    /// None: there is nothing to say.
    pub(super) fn finish(mut self, spare: &mut Spare) -> Option<FollowResponse> {
        self.discard();
        let is_kept = self.data.capacity() <= SPARE_PART * self.data.len() + SPARE_BYTES;
        let whole = Bytes::from(self.data);
        for (batch, place) in self.message.batches.iter_mut().zip(self.places) {
            batch.data = whole.slice(place);
        }
        if is_kept {
            spare.0 = whole;
        }
        let says = !self.message.batches.is_empty() || !self.message.refused.is_empty();
        says.then_some(self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(partition: u32) -> FollowBatch {
        FollowBatch {
            partition,
            ..Default::default()
        }
    }

    fn message(spare: &mut Spare, pieces: &[&[u8]]) -> Option<FollowResponse> {
        let mut draft = Draft::begin(spare);
        for (partition, piece) in pieces.iter().enumerate() {
            draft.data().extend_from_slice(piece);
            assert_eq!(draft.open_bytes(), piece.len());
            draft.close(batch(partition as u32));
        }
        draft.data().extend_from_slice(b"nobody's");
        draft.finish(spare)
    }

    #[test]
    fn each_batch_has_its_own_data() {
        let mut spare = Spare::default();
        let said = message(&mut spare, &[b"one", b"", b"three"]).unwrap();
        let data: Vec<&[u8]> = said.batches.iter().map(|it| &*it.data).collect();
        assert_eq!(data, [&b"one"[..], b"", b"three"]);
        assert!(message(&mut spare, &[]).is_none());
    }

    #[test]
    fn a_buffer_is_taken_again_once_its_message_has_gone() {
        let mut spare = Spare::default();
        let large = vec![7; 100_000];
        let first = message(&mut spare, &[&large]).unwrap();
        let lies_at = first.batches[0].data.as_ptr();
        let second = message(&mut spare, &[&large]).unwrap();
        assert_ne!(
            second.batches[0].data.as_ptr(),
            lies_at,
            "the first is still there"
        );
        let lies_at = second.batches[0].data.as_ptr();
        drop(second);
        let third = message(&mut spare, &[&large]).unwrap();
        assert_eq!(third.batches[0].data.as_ptr(), lies_at);
        assert_eq!(&*first.batches[0].data, &*large);
    }

    #[test]
    fn a_buffer_that_is_far_too_large_is_let_go() {
        let mut spare = Spare::default();
        drop(message(&mut spare, &[&vec![7; 100_000]]).unwrap());
        drop(message(&mut spare, &[b"little"]).unwrap());
        assert!(spare.0.is_empty());
    }
}
