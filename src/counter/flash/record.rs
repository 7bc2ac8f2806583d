//! Encodes and decodes one record of the counter store on flash, and checks that the record is complete.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

/// The length of a record in bytes. The record of a mark consists of these parts (lengths in parentheses): kind (1),
/// counter id (16), counter (3), time (8), number of taps (4), CRC-32 (4). In a header, the middle four parts are:
/// label, number of tags, segment length, segment number. A snapshot end is like a header, but contains 0 instead of
/// the segment length. Numbers are little endian.
pub(super) const BODY: usize = 36;
/// The length of the longest supported word in bytes. A word is the smallest unit that the store reads or writes.
pub(super) const MAX_WORD: usize = 32;
/// The length of the longest slot in bytes. A slot is the space for one record: the record rounded up to whole words,
/// plus one word for the acknowledgement.
pub(super) const MAX_SLOT: usize = BODY.next_multiple_of(MAX_WORD) + MAX_WORD;
/// The bytes of an erased slot.
pub(super) const BLANK: [u8; MAX_SLOT] = [0xFF; MAX_SLOT];
/// The placeholder for a segment number that is not known yet.
pub(super) const ANY: u32 = 0;

const LABEL: [u8; 16] = *b"suntap flash v1\0";
const HEADER: u8 = 1;
const COMPLETE: u8 = 2;
const TIMED: u8 = 3;
const UNTIMED: u8 = 4;

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A record in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The number of the segment that contains the record. The checksum covers this number, so a record that is left
    /// over from an older segment is invalid.
    pub(super) number: u32,
    pub(super) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The first record of a segment. The segment is `segment_len` bytes long. The snapshot in the segment contains one
    /// mark for each of `tags` tags.
    Header {
        tags: u16,
        segment_len: u32,
    },
    /// The record that ends a snapshot, after the last mark. The snapshot contains one mark for each of `tags` tags.
    Complete {
        tags: u16,
    },
    Mark {
        id: CounterId,
        mark: Mark,
    },
}

/// The content of a slot. A slot is the space for one record and its acknowledgement: a word that is written after the
/// record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// All bytes of the slot are erased.
    Blank,
    /// The write of the record was interrupted, so the record was never acknowledged.
    Torn,
    /// The record was acknowledged but can no longer be read.
    Broken,
    Whole {
        record: Record,
        /// Is `true` if the acknowledgement was written.
        acknowledged: bool,
    },
}

impl Record {
    /// Returns the bytes to write: the record, followed by zeros for the padding and the acknowledgement.
    pub(super) fn encode(&self) -> [u8; MAX_SLOT] {
        let (kind, name, number, time, last) = match self.content {
            Content::Header { tags, segment_len } => (HEADER, LABEL, tags.into(), u64::from(segment_len), self.number),
            Content::Complete { tags } => (COMPLETE, LABEL, tags.into(), 0, self.number),
            Content::Mark { id, mark } => {
                let kind = if mark.at.is_some() { TIMED } else { UNTIMED };
                (kind, *id.as_bytes(), mark.ctr.get(), mark.at.map_or(0, UnixMillis::get), mark.taps)
            }
        };
        let [low, mid, high, _] = number.to_le_bytes();
        let body =
            [kind].into_iter().chain(name).chain([low, mid, high]).chain(time.to_le_bytes()).chain(last.to_le_bytes());
        let mut bytes = [0; MAX_SLOT];
        bytes.iter_mut().zip(body).for_each(|(place, byte)| *place = byte);
        if let Some((head, tail)) = bytes.split_at_mut_checked(BODY - 4) {
            let seed = if matches!(self.content, Content::Header { .. }) { ANY } else { self.number };
            tail.iter_mut().zip(checksum(seed, head).to_le_bytes()).for_each(|(place, byte)| *place = byte);
        }
        bytes
    }
}

/// Returns `true` if the record contains `LABEL`. Only headers and snapshot ends contain this label. The rest of the
/// record may be damaged.
pub(super) fn is_labelled(body: &[u8]) -> bool {
    body.split_first().is_some_and(|(_, rest)| rest.starts_with(&LABEL))
}

/// Returns the checksum of a record. `bytes` is the record without the checksum, and `number` is the prefix that the
/// checksum covers: the segment number, or 0 for a header.
fn checksum(number: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&number.to_le_bytes());
    digest.update(bytes);
    digest.finalize()
}

impl Slot {
    /// Decodes a slot of the segment `number`. The slot consists of the record `body` and the acknowledgement `word`.
    pub(super) fn decode(body: &[u8], word: &[u8], number: u32) -> Self {
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0xFF);
        let acknowledged = !blank(word);
        match read(body, number) {
            Some(record) => Self::Whole { record, acknowledged },
            None if acknowledged => Self::Broken,
            None if blank(body) => Self::Blank,
            None => Self::Torn,
        }
    }
}

fn read(body: &[u8], number: u32) -> Option<Record> {
    let (head, tail) = body.get(..BODY)?.split_last_chunk::<4>().map(|(head, tail)| (head, *tail))?;
    let (kind, rest) = head.split_first()?;
    let (name, rest) = rest.split_first_chunk::<16>()?;
    let (value, rest) = rest.split_first_chunk::<3>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let last = u32::from_le_bytes(*rest.first_chunk()?);
    let seed = if *kind == HEADER { ANY } else { number };
    (u32::from_le_bytes(tail) == checksum(seed, head)).then_some(())?;
    let [low, mid, _] = *value;
    let tags = u16::from_le_bytes([low, mid]);
    let labelled = *name == LABEL;
    let mark = |at| Content::Mark {
        id: CounterId::from_bytes(*name),
        mark: Mark { ctr: SdmReadCtr::from_lsb_first(*value), at, taps: last },
    };
    match *kind {
        HEADER if labelled => {
            let segment_len = u32::try_from(u64::from_le_bytes(*time)).ok()?;
            Some(Record { number: last, content: Content::Header { tags, segment_len } })
        }
        COMPLETE if labelled && last == number => Some(Record { number, content: Content::Complete { tags } }),
        TIMED => Some(Record { number, content: mark(Some(UnixMillis::new(u64::from_le_bytes(*time)))) }),
        UNTIMED => Some(Record { number, content: mark(None) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes one byte of a record, corrects the checksum, and reads the record again.
    fn with_byte(record: &Record, at: usize) -> Option<Record> {
        let mut bytes = record.encode();
        bytes[at] ^= 0x40;
        let seed = if matches!(record.content, Content::Header { .. }) { ANY } else { record.number };
        let checksum = checksum(seed, &bytes[..BODY - 4]);
        bytes[BODY - 4..BODY].copy_from_slice(&checksum.to_le_bytes());
        read(&bytes[..BODY], record.number)
    }

    /// A header or snapshot end with a different label is rejected, because an incompatible version of the format would
    /// have a different label. A record of an unknown kind is also rejected. A snapshot end contains the number of its
    /// segment. A snapshot end from a different segment is rejected.
    #[test]
    fn records_of_another_format_or_segment_are_rejected() {
        let header = Record { number: 7, content: Content::Header { tags: 3, segment_len: 4096 } };
        let complete = Record { number: 7, content: Content::Complete { tags: 3 } };
        for record in [header, complete] {
            assert_eq!(read(&record.encode()[..BODY], 7), Some(record));
            for at in 0..17 {
                assert_eq!(with_byte(&record, at), None, "byte {at} of {record:?}");
            }
        }
        for at in 28..32 {
            assert_eq!(with_byte(&complete, at), None, "byte {at}");
        }
        assert_eq!(read(&complete.encode()[..BODY], 8), None, "record of another segment");
    }
}
