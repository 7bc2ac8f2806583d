//! Secret digits on their way from a text to a key. They are wiped when they are dropped, and have no `Debug`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor, value::StringDeserializer};
use zeroize::Zeroizing;

/// The hexadecimal digits of one secret.
pub(super) struct Digits(Zeroizing<String>);

/// One secret, or a list of secrets.
#[derive(Default)]
pub(super) struct DigitsList(pub(super) Vec<Digits>);

impl Digits {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the 16 bytes of 32 digits.
    pub(super) fn key(&self) -> Option<Zeroizing<[u8; 16]>> {
        let mut bytes = Zeroizing::new([0; 16]);
        let decoded = base16ct::mixed::decode(self.as_str(), &mut *bytes).ok()?.len();
        (decoded == 16).then_some(bytes)
    }

    /// Returns the bytes of any number of digits.
    pub(super) fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        base16ct::mixed::decode_vec(self.as_str()).ok().map(Zeroizing::new)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.as_str().bytes().all(|digit| digit == b'0')
    }
}

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new).map(Self)
    }
}

impl<'de> Deserialize<'de> for DigitsList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        // Serde's untagged enums would keep copies that are not wiped.
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = DigitsList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret or a list of secrets")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DigitsList, E> {
                self.visit_string(text.into())
            }

            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<DigitsList, E> {
                Digits::deserialize(StringDeserializer::new(text)).map(|one| DigitsList(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<DigitsList, A::Error> {
                let mut list = Vec::new();
                while let Some(digits) = items.next_element()? {
                    list.push(digits);
                }
                Ok(DigitsList(list))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}
