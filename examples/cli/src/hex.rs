//! Hexadecimal text as people paste it.

use clap::builder::TypedValueParser as _;
use suntap::Uid;
use zeroize::Zeroizing;

use crate::text::pasted;

/// Characters that people write between bytes.
pub(crate) fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, ':' | '-' | ',' | ';' | '.' | '{' | '}')
}

/// Returns the text without separators, without `0x`, and without white space and quotes around it.
pub(crate) fn compact(text: &str) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    for part in pasted(text).split(is_separator) {
        digits.push_str(part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")).unwrap_or(part));
    }
    digits
}

/// Bytes that are not secret, read from hexadecimal digits.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl std::str::FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        base16ct::mixed::decode_vec(&*compact(text))
            .map(Self)
            .map_err(|_| "expected hexadecimal digits, two for each byte")
    }
}

/// Reads a UID, with or without separators.
pub(crate) fn uid(text: &str) -> Result<Uid, suntap::ParseError> {
    Uid::from_hex(&compact(text))
}

/// Returns bytes as upper-case digits.
pub(crate) fn upper(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

/// Reads a counter up to 16777215.
pub(crate) fn ctr() -> impl clap::builder::TypedValueParser<Value = suntap::SdmReadCtr> {
    clap::builder::NonEmptyStringValueParser::new().try_map(|text| pasted(&text).parse::<suntap::SdmReadCtr>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_prefixes_are_removed() {
        for given in [
            "0A1b2C",
            "0x0A1b2C",
            "0A 1b 2C",
            "0A:1b:2C",
            "0A-1b-2C",
            "0x0A, 0x1b, 0x2C",
            "{0x0a, 0x1B, 0x2c,}",
            "0A.1b.2C",
            "'0A1b2C'\n",
        ] {
            assert_eq!(compact(given).to_uppercase(), "0A1B2C", "{given}");
        }
    }
}
