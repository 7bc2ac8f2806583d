//! Keys of API clients: kept only as a name that tells nothing of the key.

use core::fmt;

use crate::cipher::Cmac;
use crate::key::key_type;

// In front of what is named, and never of anything else under this secret.
const KEY: &[u8] = b"suntap api key v1\0";
const TOKEN: &[u8] = b"suntap token v1\0";

key_type! {
    /// The server's secret under which API keys and tokens are named. Replacing it makes all of them unknown.
    ApiKeySecret
}

impl ApiKeySecret {
    /// The name of an API key, as ETRNL's clients send it in a header: to store when the key is made, and to look up when it comes.
    ///
    /// It is `CMAC(secret, "suntap api key v1" ‖ 00 ‖ key)`, and the same in every release. Nobody gets from it to the key, and a
    /// lookup by it tells nothing by the time that it takes. Make a key of 16 random bytes or more, show it once, and keep only
    /// its name.
    ///
    /// ```
    /// use suntap::platform::ApiKeySecret;
    ///
    /// let secret = ApiKeySecret::from_bytes([7; 16]); // from a vault
    /// assert_eq!(secret.key_name(b"pk_2fXq8Zr"), secret.key_name(b"pk_2fXq8Zr"));
    /// assert_ne!(secret.key_name(b"pk_2fXq8Zr"), secret.key_name(b"pk_2fXq8Zs"));
    /// assert_ne!(secret.key_name(b"pk_2fXq8Zr"), secret.token_name(b"pk_2fXq8Zr"));
    /// ```
    #[must_use]
    pub fn key_name(&self, presented: &[u8]) -> ApiKeyName {
        self.name(KEY, presented)
    }

    /// The name of a token, as ixkio's clients send it in the query: as [`key_name`](Self::key_name), with `suntap token v1`. What
    /// stands in URLs is seen by more eyes than a header, so it is no API key unless it is stored as one too.
    #[must_use]
    pub fn token_name(&self, presented: &[u8]) -> ApiKeyName {
        self.name(TOKEN, presented)
    }

    fn name(&self, label: &[u8], presented: &[u8]) -> ApiKeyName {
        ApiKeyName(Cmac::new(self.expose_bytes()).of(label.iter().chain(presented).copied()))
    }
}

/// The name of an API key or token: 16 bytes, see [`ApiKeySecret::key_name`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyName([u8; 16]);

impl ApiKeyName {
    /// A name from its 16 bytes, as stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ApiKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeyName({:032X})", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cmac::{KeyInit as _, Mac as _};

    /// The name is a CMAC by the `cmac` crate over label and key, of any length.
    #[test]
    fn a_name_is_a_labelled_cmac() {
        let secret = ApiKeySecret::from_bytes([0x42; 16]);
        for len in [0, 1, 13, 14, 15, 26, 100] {
            let key = &[0xA5; 100][..len];
            let named = |label: &[u8]| -> [u8; 16] {
                let mut mac = cmac::Cmac::<aes::Aes128>::new(&[0x42; 16].into());
                mac.update(label);
                mac.update(key);
                mac.finalize().into_bytes().into()
            };
            assert_eq!(secret.key_name(key).as_bytes(), &named(b"suntap api key v1\0"), "{len} bytes");
            assert_eq!(secret.token_name(key).as_bytes(), &named(b"suntap token v1\0"), "{len} bytes");
        }
    }
}
