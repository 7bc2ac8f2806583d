//! The text of a key: hexadecimal digits or base64.

use core::fmt;

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::hex::compact;
use crate::text::pasted;

/// The reason why text is not a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    Empty,
    /// The text has this number of characters.
    Length(usize),
    /// The text has 16 characters, which are not hexadecimal digits.
    Text,
    Digit,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the key is empty"),
            Self::Length(found) => {
                write!(f, "expected 32 hexadecimal digits or base64 of 16 bytes, got {found} characters")
            }
            Self::Text => f.write_str(
                "expected 32 hexadecimal digits or base64 of 16 bytes; 16 characters look like text: give its 32 hexadecimal digits",
            ),
            Self::Digit => f.write_str("a character is not a hexadecimal digit"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Reads a key of 16 bytes.
pub(crate) fn parse<K: From<[u8; 16]>>(text: &str) -> Result<K, KeyError> {
    let mut key = Zeroizing::new([0; 16]);
    // A batch has one key or more in each line, so the usual form is tried first.
    if text.len() == 32 && base16ct::mixed::decode(text, &mut *key).is_ok() {
        return Ok(K::from(*key));
    }
    let bytes = bytes(text)?;
    if bytes.len() != key.len() {
        return Err(KeyError::Length(pasted(text).len()));
    }
    key.copy_from_slice(&bytes);
    Ok(K::from(*key))
}

/// Returns `true` if the text is a key of 16 or 32 bytes.
pub(crate) fn is_key(text: &str) -> bool {
    bytes(text).is_ok()
}

/// Reads a key of 16 or 32 bytes.
pub(super) fn bytes(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let digits = compact(text);
    if let Ok(bytes) = base16ct::mixed::decode_vec(&*digits).map(Zeroizing::new)
        && matches!(bytes.len(), 16 | 32)
    {
        return Ok(bytes);
    }
    let text = pasted(text);
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    let decoders = [Base64::decode, Base64Unpadded::decode, Base64Url::decode, Base64UrlUnpadded::decode];
    for decode in decoders {
        let mut buffer = Zeroizing::new([0; 33]);
        if let Ok(bytes) = decode(text, &mut *buffer)
            && matches!(bytes.len(), 16 | 32)
        {
            return Ok(Zeroizing::new(bytes.to_vec()));
        }
    }
    let is_text = text.len() == 16
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.contains(|c: char| !c.is_ascii_hexdigit());
    Err(match digits.len() {
        _ if is_text => KeyError::Text,
        32 => KeyError::Digit,
        _ => KeyError::Length(text.len()),
    })
}

#[cfg(test)]
mod tests {
    use suntap::ApplicationKey;

    use super::*;

    #[test]
    fn a_key_is_read_in_every_form_that_people_paste() {
        let expected = ApplicationKey::from_hex("739E6C6AE43ED8D0C6DDA5FA3F4633F9").unwrap();
        for text in [
            "739E6C6AE43ED8D0C6DDA5FA3F4633F9",
            "0x739e6c6ae43ed8d0c6dda5fa3f4633f9",
            " 73 9E 6C 6A E4 3E D8 D0 C6 DD A5 FA 3F 46 33 F9\n",
            "73:9e:6c:6a:e4:3e:d8:d0:c6:dd:a5:fa:3f:46:33:f9",
            "739e6c6a-e43e-d8d0-c6dd-a5fa3f4633f9",
            "0x73, 0x9E, 0x6C, 0x6A, 0xE4, 0x3E, 0xD8, 0xD0, 0xC6, 0xDD, 0xA5, 0xFA, 0x3F, 0x46, 0x33, 0xF9",
            "'739E6C6AE43ED8D0C6DDA5FA3F4633F9'",
            "{0x73, 0x9E, 0x6C, 0x6A, 0xE4, 0x3E, 0xD8, 0xD0, 0xC6, 0xDD, 0xA5, 0xFA, 0x3F, 0x46, 0x33, 0xF9}",
            "{ 0x73,0x9e,0x6c,0x6a,0xe4,0x3e,0xd8,0xd0,0xc6,0xdd,0xa5,0xfa,0x3f,0x46,0x33,0xf9, };",
            "73.9e.6c.6a.e4.3e.d8.d0.c6.dd.a5.fa.3f.46.33.f9",
            "\u{feff}739E6C6AE43ED8D0C6DDA5FA3F4633F9\r\n",
            "c55sauQ+2NDG3aX6P0Yz+Q==",
            "c55sauQ+2NDG3aX6P0Yz+Q",
            "c55sauQ-2NDG3aX6P0Yz-Q==",
            "\"c55sauQ-2NDG3aX6P0Yz-Q\"",
        ] {
            assert_eq!(parse(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        let error = |text: &str| parse::<ApplicationKey>(text).unwrap_err();
        assert_eq!(error("  "), KeyError::Empty);
        assert_eq!(error("00"), KeyError::Length(2));
        assert_eq!(error(&"00".repeat(32)), KeyError::Length(64));
        assert_eq!(error("0000000000000000000000000000000G"), KeyError::Digit);
        assert_eq!(error("my secret key 16"), KeyError::Text);
        assert_eq!(error("0123456789ABCDEF"), KeyError::Length(16));
        assert!(KeyError::Text.to_string().ends_with("look like text: give its 32 hexadecimal digits"));
        assert_eq!(error("c55sauQ+2NDG3aX6P0Yz"), KeyError::Length(20));
    }

    #[test]
    fn a_master_key_of_sdm_backend_may_have_32_bytes() {
        assert_eq!(bytes(&"0a".repeat(32)).unwrap().len(), 32);
        assert_eq!(bytes(&"0a".repeat(20)).unwrap_err(), KeyError::Length(40));
    }
}
