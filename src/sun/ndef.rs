//! Reads the URI record of an NDEF file.
//!
//! Sources: NT4H2421Gx §8.2.3.2 (NLEN), NFC Forum NDEF 1.0 §3.2 (record layout), NFC Forum URI RTD 1.0 §3.2.2 (codes).

use super::error::Malformed;

/// The URL prefix for each URI code from 00h to 04h. The code is the index. Layouts use no other codes.
const PREFIXES: [&str; 5] = ["", "http://www.", "https://www.", "http://", "https://"];

/// Bits of the first byte of a record.
const MESSAGE_BEGIN: u8 = 0x80;
const CHUNKED: u8 = 0x20;
const SHORT: u8 = 0x10;
const HAS_ID: u8 = 0x08;
const TYPE_NAME_FORMAT: u8 = 0x07;
/// `WELL_KNOWN` marks a record type that the NFC Forum defines. `URI` is the type of a URI record.
const WELL_KNOWN: u8 = 0x01;
const URI: &[u8] = b"U";

/// The URI record at the beginning of an NDEF file.
pub(super) struct UriRecord<'a> {
    /// The URL prefix for which the URI code stands.
    pub(super) prefix: &'static str,
    /// The text of the URI after the prefix.
    pub(super) text: &'a [u8],
    /// The number of file bytes before `text`.
    pub(super) offset: usize,
    /// The number of bytes in the message after this record. These bytes belong to further records.
    pub(super) rest: usize,
}

impl<'a> UriRecord<'a> {
    /// Reads the first record of a file. The file consists of NLEN (two bytes, the length of the message) and the NDEF
    /// message. Further records and bytes after the message are ignored.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(file);
        let nlen = reader.number::<2>()?;
        reader = Reader(reader.take(nlen)?);
        if nlen == 0 {
            return Err(Malformed::NdefRecord);
        }
        let [header] = reader.array()?;
        let [type_len] = reader.array()?;
        let payload_len = if header & SHORT != 0 { reader.number::<1>()? } else { reader.number::<4>()? };
        let id_len = if header & HAS_ID != 0 { reader.number::<1>()? } else { 0 };
        let kind = reader.take(type_len.into())?;
        reader.take(id_len)?;
        let payload = reader.take(payload_len)?;
        let is_first = header & (MESSAGE_BEGIN | CHUNKED | TYPE_NAME_FORMAT) == MESSAGE_BEGIN | WELL_KNOWN;
        if !is_first || kind != URI {
            return Err(Malformed::NdefRecord);
        }
        let ([code], text) = payload.split_first_chunk().ok_or(Malformed::NdefLength)?;
        let prefix = PREFIXES.get(usize::from(*code)).ok_or(Malformed::NdefPrefix)?;
        let rest = reader.0.len();
        let offset = nlen.saturating_add(2).saturating_sub(rest).saturating_sub(text.len());
        Ok(Self { prefix, text, offset, rest })
    }
}

/// Reads the fields of a record in order. A field that extends past the end of the input is an error.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (field, rest) = self.0.split_at_checked(len).ok_or(Malformed::NdefLength)?;
        self.0 = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Malformed::NdefLength)?;
        self.0 = rest;
        Ok(*field)
    }

    /// Reads a number of `N` bytes, MSB first. `N` is at most 4.
    fn number<const N: usize>(&mut self) -> Result<usize, Malformed> {
        let bytes = self.array::<N>()?;
        let number = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        usize::try_from(number).map_err(|_| Malformed::NdefLength)
    }
}
