//! How a document is stored in a data file: compressed, with a dictionary of what most documents contain.
//!
//! | bytes | contents |
//! |---|---|
//! | 1 | 0: plain, 1: compressed by DEFLATE with [`DICTIONARY`] |
//! | 4 | CRC-32 of the text, LSB first |
//! | the others | the text, plain or compressed |

use std::borrow::Cow;
use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};
use redb::{TypeName, Value};

/// The name of the type in a data file.
const NAME: &str = "suntap::Text";

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// It must never change, because stored documents need it. A better one needs another first byte.
const DICTIONARY: &[u8] = br#"{"id":"name":"account":"needsToken":false,"state":"inactive"}"rules":{"groups":[{"rules":["authentication","scan count < "tamper != CC"],"response":"Pass"}],"default":"Fail"},"extendedData":[{"name":"","value":"","inResponse":true}],"metadata":{"layout":{"mode":"lrp","template":"https://"path":"number":"cuid":"{"derived":{"an10922":{"meta":"","master":"","suffix":"","epoch":0}}},"counter":"{"sealed":{"sealed":"","epoch":0}},"counter":"{"tag":{"organisation":1,"batch":"","xuid":"","uid":"04","state":"active","keys":{"source":{"held":{"sealed":"0123456789ABCDEF","hasMeta":false}},"counter":""},"tamper":false}}"#;

/// Texts with fewer bytes than this are stored as they are, because compression would gain little.
const SHORT: usize = 64;

thread_local! {
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The text of a document.
#[derive(Debug)]
pub(super) struct Text;

impl Value for Text {
    type SelfType<'a> = Cow<'a, str>;
    type AsBytes<'a> = Vec<u8>;

    fn fixed_width() -> Option<usize> {
        None
    }

    /// A damaged document is read as an empty text, which no document is.
    fn from_bytes<'a>(data: &'a [u8]) -> Cow<'a, str>
    where
        Self: 'a,
    {
        read(data).unwrap_or_default()
    }

    fn as_bytes<'a, 'b: 'a>(text: &'a Cow<'b, str>) -> Vec<u8> {
        let mut data = Vec::with_capacity(text.len().saturating_add(5));
        data.push(DEFLATED);
        data.extend(checksum(text.as_bytes()));
        if text.len() < SHORT || deflate(text.as_bytes(), &mut data).is_none() {
            data.truncate(5);
            if let Some(first) = data.first_mut() {
                *first = PLAIN;
            }
            data.extend(text.as_bytes());
        }
        data
    }

    fn type_name() -> TypeName {
        TypeName::new(NAME)
    }
}

/// A document as it is stored.
#[derive(Debug)]
pub(super) struct Stored;

impl Value for Stored {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        None
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(data: &'a &'b [u8]) -> &'a [u8] {
        data
    }

    fn type_name() -> TypeName {
        TypeName::new(NAME)
    }
}

fn read(data: &[u8]) -> Option<Cow<'_, str>> {
    let (&kind, rest) = data.split_first()?;
    let (sum, stored) = rest.split_first_chunk()?;
    let text = match kind {
        PLAIN => Cow::Borrowed(stored),
        DEFLATED => Cow::Owned(inflated(stored)?),
        _ => return None,
    };
    if checksum(&text) != *sum {
        return None;
    }
    match text {
        Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

fn checksum(text: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(text);
    crc.sum().to_le_bytes()
}

/// Appends the compressed text. Returns `None` if it does not get shorter.
fn deflate(text: &[u8], data: &mut Vec<u8>) -> Option<()> {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        compress.set_dictionary(DICTIONARY).ok()?;
        // It only writes into the capacity, which leaves as many bytes as the text has.
        let status = compress.compress_vec(text, data, FlushCompress::Finish).ok()?;
        (status == Status::StreamEnd).then_some(())
    })
}

fn inflated(packed: &[u8]) -> Option<Vec<u8>> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        decompress.set_dictionary(DICTIONARY).ok()?;
        let mut text = Vec::with_capacity(packed.len().saturating_mul(4));
        loop {
            let rest = packed.get(usize::try_from(decompress.total_in()).ok()?..)?;
            let before = text.len();
            match decompress.decompress_vec(rest, &mut text, FlushDecompress::Finish).ok()? {
                Status::StreamEnd if decompress.total_in() == u64::try_from(packed.len()).ok()? => return Some(text),
                // Without more input or more text, it would never end.
                _ if text.len() == before => return None,
                _ => text.reserve(text.len()),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(text: &str) -> Vec<u8> {
        Text::as_bytes(&Cow::Borrowed(text))
    }

    #[test]
    fn a_tag_takes_less_than_half() {
        let text = r#"{"tag":{"organisation":1,"batch":"F/G/B","xuid":"00500000","uid":"0400010007A120","state":"active","keys":{"source":{"held":{"sealed":"B96006956D6E2B204998802AB9A9DB9B25428253C3FC5AAD72315F19D1AA220A8D3CBB5ABAE70176E2EBF224763B45529D4935D242E3787B433423E542C2C455","hasMeta":false}},"counter":"40CA1504A6E720FC18ABA6C8BDC6A068"},"tamper":false}}"#;
        let bytes = stored(text);
        assert!(bytes.len() < text.len() / 2, "{} of {}", bytes.len(), text.len());
        assert_eq!(Text::from_bytes(&bytes), text);
    }

    #[test]
    fn damaged_documents_are_empty() {
        let text = "a text of a document, and the same text of a document, and the same text of a document";
        let bytes = stored(text);
        assert_eq!(bytes.first(), Some(&DEFLATED));
        for (text, bytes) in [(text, bytes), ("{}", stored("{}"))] {
            for length in 0..bytes.len() {
                assert_eq!(Text::from_bytes(&bytes[..length]), "", "{length}");
            }
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                // The last byte of a compressed text has unused bits.
                let read = Text::from_bytes(&damaged);
                assert!(read.is_empty() || read == text, "{bit}");
            }
            assert_eq!(Text::from_bytes(&[&*bytes, &[0]].concat()), "");
        }
    }

    proptest! {
        #[test]
        fn each_text_is_read_as_it_was(text in "\\PC{0,400}", repeats in 1_usize..20) {
            for text in [text.clone(), text.repeat(repeats)] {
                let bytes = stored(&text);
                prop_assert_eq!(Text::from_bytes(&bytes), text);
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Text::from_bytes(&data);
            let _ = Text::from_bytes(&[&[DEFLATED], &*data].concat());
        }
    }
}
