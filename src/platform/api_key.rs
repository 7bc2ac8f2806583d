//! Names of API keys and tokens. A name is a keyed hash of an API key or token. The server stores only the names,
//! because a name reveals nothing about the key or token.

use crate::cipher::{Cmac, chunks};
use crate::key::key_type;
use crate::value::opaque_id;

// The hash input is one of these labels, followed by the API key or token. The crate does not use an `ApiKeySecret` for
// any other hash. No label is a prefix of another, so two kinds of keys never have the same hash input.
const KEY: &[u8] = b"suntap api key v1\0";
const TOKEN: &[u8] = b"suntap token v1\0";
const MANAGEMENT: &[u8] = b"suntap management key v1\0";

key_type! {
    /// The secret for hashing API keys and tokens. The server stores only the hashes, called [names](ApiKeyName). A key
    /// or token is recognised only with the secret that computed its name. To replace the secret, pass the new one and
    /// then the old one to [`Ixkio::new`](super::ixkio::Ixkio::new) and [`Etrnl::new`](super::etrnl::Etrnl::new), until
    /// no stored name depends on the old one.
    ApiKeySecret
}

impl ApiKeySecret {
    /// Returns the name of an API key, which is a keyed hash of the key. Clients of the ETRNL API send the key in a
    /// header. Store the name when you create the key. To recognise the key in a request, compute its name and look up
    /// the name.
    ///
    /// The name is `CMAC(secret, "suntap api key v1" ‖ 00 ‖ key)`. This definition does not change between releases.
    /// The key cannot be computed from the name. The duration of a lookup by name reveals nothing about the key. Create
    /// each key from at least 16 random bytes, show the key once, and store only its name.
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

    /// Returns the name of a token, which is a keyed hash of the token. Clients of the ixkio API send the token in the
    /// query of the URL.
    ///
    /// The name is computed like [`key_name`](Self::key_name), but with the label `suntap token v1`. The labels differ
    /// so that a leaked token does not work as an API key. A token leaks more easily, because the URL of a request
    /// often appears in logs.
    #[must_use]
    pub fn token_name(&self, presented: &[u8]) -> ApiKeyName {
        self.name(TOKEN, presented)
    }

    /// Returns the name of a management key, with which an operator administers a service.
    ///
    /// The name is computed like [`key_name`](Self::key_name), but with the label `suntap management key v1`. The labels
    /// differ so that no API key or token works as a management key, and no management key verifies taps.
    #[must_use]
    pub fn management_key_name(&self, presented: &[u8]) -> ApiKeyName {
        self.name(MANAGEMENT, presented)
    }

    fn name(&self, label: &[u8], presented: &[u8]) -> ApiKeyName {
        ApiKeyName(Cmac::once(self.expose_bytes(), chunks(label.iter().chain(presented).copied())))
    }
}

opaque_id! {
    /// The 16-byte name of an API key or token: a keyed hash that the server stores instead of the key or token. See
    /// [`ApiKeySecret::key_name`].
    ApiKeyName,
    /// Creates a name from its 16 stored bytes.
    from_bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use cmac::{KeyInit as _, Mac as _};

    /// Checks, with API keys of several lengths, that the name is the CMAC of the label and the API key, as the `cmac`
    /// crate computes it.
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
            let management = secret.management_key_name(key);
            assert_eq!(management.as_bytes(), &named(b"suntap management key v1\0"), "{len} bytes");
        }
    }
}
