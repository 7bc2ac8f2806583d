//! The signature of Standard Webhooks.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
/// The lengths of a secret in bytes that the specification allows.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets of an endpoint: one, or two while it is rotated. They are wiped when they are dropped.
pub(super) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Parses one or two secrets such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`, separated by white space.
    ///
    /// # Errors
    /// Returns an error that does not repeat the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let secrets: Vec<_> = text.split_whitespace().map(secret).collect::<Result<_, _>>()?;
        match secrets.len() {
            1 | 2 => Ok(Self(secrets)),
            count => Err(format!("expected one secret, or two while it is rotated, got {count}")),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the value of `webhook-signature`. `timestamp` is in seconds.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let signature = |secret: &Zeroizing<Vec<u8>>| {
            // A key of any length is allowed, so this cannot fail.
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            for part in [id, ".", &timestamp.to_string(), ".", body] {
                mac.update(part.as_bytes());
            }
            Some(format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes())))
        };
        self.0.iter().filter_map(signature).collect::<Vec<_>>().join(" ")
    }
}

fn secret(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let digits = text.strip_prefix(PREFIX).ok_or_else(|| format!("a secret must start with {PREFIX}"))?;
    let bytes = Base64::decode_vec(digits).map_err(|_| format!("{PREFIX} must be followed by Base64 with padding"))?;
    let bytes = Zeroizing::new(bytes);
    if LENGTHS.contains(&bytes.len()) {
        return Ok(bytes);
    }
    Err(format!("a secret must have {} to {} bytes, got {}", LENGTHS.start(), LENGTHS.end(), bytes.len()))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn the_published_example_has_its_signature() {
        // From the libraries of Standard Webhooks.
        let signature = Secrets::parse(SECRET).unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        // From `hmac` of Python.
        let signatures =
            Secrets::parse(&format!("{SECRET}\n{OTHER}\n")).unwrap().sign("msg_1", 1_700_000_000, "{\"a\":\"ü\"}");
        assert_eq!(
            signatures,
            "v1,LGtBhbNARkjEG790+n2D03yNiSWMsuu13Id3S39yt50= v1,1O0nYSSeLbCAc1WK5QDd967DqZplNwWonjlDX+v8jPo="
        );
    }

    #[test]
    fn an_invalid_secret_is_refused_and_not_repeated() {
        for (text, expected) in [
            ("", "expected one secret, or two while it is rotated, got 0"),
            (&*format!("{SECRET} {SECRET} {SECRET}"), "expected one secret, or two while it is rotated, got 3"),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a secret must start with whsec_"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_ must be followed by Base64 with padding"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", "whsec_ must be followed by Base64 with padding"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La", "a secret must have 24 to 64 bytes, got 21"),
        ] {
            assert_eq!(Secrets::parse(text).unwrap_err(), expected);
        }
        assert_eq!(format!("{:?}", Secrets::parse(SECRET).unwrap()), "Secrets { .. }");
    }
}
