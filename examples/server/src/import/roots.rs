//! The root keys that sign the certificates of tags.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use suntap::ParseError;
use suntap::certificate::{NXP_AUTH_ROOT_CA_E201, RootKey};

/// The root keys that an import trusts. As text, they are separated by commas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Roots(Vec<RootKey>);

impl Roots {
    pub(super) fn keys(&self) -> &[RootKey] {
        &self.0
    }
}

/// Trusts [`NXP_AUTH_ROOT_CA_E201`] alone.
impl Default for Roots {
    fn default() -> Self {
        // The constant is a key. Without any key, every certificate would be refused.
        Self(NXP_AUTH_ROOT_CA_E201.parse().into_iter().collect())
    }
}

impl FromStr for Roots {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.split(',').map(|key| key.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for Roots {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{key}")?;
        }
        Ok(())
    }
}
