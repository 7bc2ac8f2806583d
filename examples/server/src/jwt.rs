//! The keys of JSON Web Tokens (RFC 7519), signed with Ed25519 (RFC 8037).
//!
//! The server writes such tokens and never reads one.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;

/// A key that signs. It is wiped on drop.
pub struct JwtKey {
    id: String,
    key: SigningKey,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// A public key as JSON (RFC 7517, RFC 8037 §2).
#[derive(Debug, Serialize)]
pub(crate) struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    r#use: &'static str,
    alg: &'static str,
}

const ALGORITHM: &str = "EdDSA";

impl JwtKey {
    /// Creates a key from its 32 secret bytes. `id` is public.
    pub(crate) fn new(id: &str, secret: &[u8; 32]) -> Self {
        Self { id: id.into(), key: SigningKey::from_bytes(secret) }
    }

    /// Returns a token with these claims, or `None` if they cannot be written as JSON.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        let header = Header { alg: ALGORITHM, typ: "JWT", kid: &self.id };
        Some(self.sign_parts(&serde_json::to_vec(&header).ok()?, &serde_json::to_vec(claims).ok()?))
    }

    /// Returns the compact form (RFC 7515 §7.1).
    fn sign_parts(&self, header: &[u8], payload: &[u8]) -> String {
        let [header, payload] = [header, payload].map(Base64UrlUnpadded::encode_string);
        let mut token = format!("{header}.{payload}");
        let signature = Base64UrlUnpadded::encode_string(&self.key.sign(token.as_bytes()).to_bytes());
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// Returns the public key.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey {
            kty: "OKP",
            crv: "Ed25519",
            x: Base64UrlUnpadded::encode_string(self.key.verifying_key().as_bytes()),
            kid: self.id.clone(),
            r#use: "sig",
            alg: ALGORITHM,
        }
    }
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendices A.1, A.2 and A.4.
    #[test]
    fn the_vector_of_rfc_8037() {
        let secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        let mut bytes = [0; 32];
        Base64UrlUnpadded::decode(secret, &mut bytes).unwrap();
        let key = JwtKey::new("a", &bytes);
        assert_eq!(key.public().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let token = key.sign_parts(br#"{"alg":"EdDSA"}"#, b"Example of Ed25519 signing");
        let expected = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                        hgyY0il_MGCjP0JzlnLWG1PPO\
                        t7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(token, expected);
        assert!(!format!("{key:?}").contains(secret));
    }
}
