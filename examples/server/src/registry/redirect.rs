//! Where the page of a tag sends a visitor after a fresh tap.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::url::{self, UrlError};

/// What stands in the URL of a redirect for the token.
const PLACEHOLDERS: [(&str, Kind); 2] = [("{token}", Kind::Token), ("{jwt}", Kind::Jwt)];
/// The greatest length of the URL, and of the audience, in bytes.
const MAX_LENGTH: usize = 2048;

/// Where the page of a tag sends a visitor after a fresh tap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// The URL, with `{token}` or `{jwt}` in its path, query or fragment.
    pub url: String,
    /// The audience of the token, if it is not the origin of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// The kind of the token in a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token that only the server can verify, and that can be valid once: `{token}`.
    Token,
    /// A JSON Web Token, which everybody can verify with the public key: `{jwt}`.
    Jwt,
}

/// Why a redirect is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectError {
    /// The URL or the audience is too long or empty.
    Length,
    /// The URL has characters that a URL does not have.
    Characters,
    /// The URL does not have exactly one `{token}` or `{jwt}`.
    Placeholder,
    /// The placeholder is in the host, or in the port.
    PlaceholderInHost,
    /// The URL is not an absolute `https` URL, or one of `http` for this machine.
    Url,
    /// The URL has a user name or a password.
    User,
}

impl Redirect {
    /// Checks the redirect, and returns the audience of its tokens.
    ///
    /// # Errors
    /// Fails if the server cannot redirect to this URL.
    pub fn audience(&self) -> Result<String, RedirectError> {
        let audience = self.audience.as_deref();
        if self.url.len() > MAX_LENGTH || audience.is_some_and(|text| !(1..=MAX_LENGTH).contains(&text.len())) {
            return Err(RedirectError::Length);
        }
        if !self.url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RedirectError::Characters);
        }
        self.placeholder().ok_or(RedirectError::Placeholder)?;
        let parsed = |token| match url::parse(&self.location(token), false) {
            Ok(url) => Ok(url::origin(&url)),
            Err(UrlError::User) => Err(RedirectError::User),
            Err(UrlError::Malformed | UrlError::Plain | UrlError::Scheme) => Err(RedirectError::Url),
        };
        let origin = parsed("1")?;
        // No token may choose the host.
        if parsed("2").as_ref() != Ok(&origin) {
            return Err(RedirectError::PlaceholderInHost);
        }
        Ok(audience.map_or(origin, String::from))
    }

    /// Returns the kind of its token.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.placeholder().map_or(Kind::Token, |(_, kind)| kind)
    }

    /// Returns the URL with a token.
    #[must_use]
    pub fn location(&self, token: &str) -> String {
        self.placeholder().map_or_else(|| self.url.clone(), |(placeholder, _)| self.url.replace(placeholder, token))
    }

    /// Returns the placeholder in the URL if there is exactly one.
    fn placeholder(&self) -> Option<(&'static str, Kind)> {
        let mut found = PLACEHOLDERS.into_iter().filter(|(placeholder, _)| self.url.contains(placeholder));
        let (placeholder, kind) = found.next()?;
        let is_only = found.next().is_none() && self.url.matches(placeholder).count() == 1;
        is_only.then_some((placeholder, kind))
    }
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "`redirect`: the URL and the audience must have 1 to {MAX_LENGTH} bytes"),
            Self::Characters => {
                f.write_str("`redirect.url` must have only visible ASCII characters: encode others as %XX")
            }
            Self::Placeholder => f.write_str("`redirect.url` must have {token} or {jwt} exactly once"),
            Self::PlaceholderInHost => {
                f.write_str("`redirect.url` must have the placeholder in the path, query or fragment, not in the host")
            }
            Self::Url => f.write_str(
                "`redirect.url` must be like https://shop.example/p?t={token}, or start with http://localhost",
            ),
            Self::User => f.write_str("`redirect.url` must not have a user name or a password"),
        }
    }
}

impl std::error::Error for RedirectError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(url: &str) -> Result<String, RedirectError> {
        Redirect { url: url.into(), audience: None }.audience()
    }

    #[test]
    fn the_audience_is_the_origin_unless_it_is_given() {
        for (url, expected) in [
            ("https://shop.example/p?t={token}", "https://shop.example"),
            ("https://Shop.example:8443/{token}/p", "https://shop.example:8443"),
            ("https://shop.example/p#t={token}", "https://shop.example"),
            ("https://shop.example?{token}", "https://shop.example"),
            ("http://localhost:3000/?t={token}", "http://localhost:3000"),
        ] {
            assert_eq!(audience(url).as_deref(), Ok(expected), "{url}");
        }
        let kind = |url: &str| Redirect { url: url.into(), audience: None }.kind();
        assert_eq!((kind("https://a.example/{jwt}"), kind("https://a.example/{token}")), (Kind::Jwt, Kind::Token));
        let given = Redirect { url: "https://a.example/{token}".into(), audience: Some("members".into()) };
        assert_eq!(given.audience().as_deref(), Ok("members"));
        let empty = Redirect { audience: Some(String::new()), ..given };
        assert_eq!(empty.audience(), Err(RedirectError::Length));
    }

    #[test]
    fn invalid_urls_are_refused() {
        for (url, expected) in [
            ("https://shop.example/p", RedirectError::Placeholder),
            ("https://shop.example/{token}/{token}", RedirectError::Placeholder),
            ("https://shop.example/{Token}", RedirectError::Placeholder),
            ("https://shop.example/{jwt}{jwt}", RedirectError::Placeholder),
            ("https://shop.example/{token}?{jwt}", RedirectError::Placeholder),
            ("https://{jwt}.example/", RedirectError::PlaceholderInHost),
            ("http://shop.example/{token}", RedirectError::Url),
            ("ftp://shop.example/{token}", RedirectError::Url),
            ("javascript:alert('{token}')", RedirectError::Url),
            ("//shop.example/{token}", RedirectError::Url),
            ("/p?t={token}", RedirectError::Url),
            ("{token}", RedirectError::Url),
            ("https://{token}", RedirectError::PlaceholderInHost),
            ("https://a{token}.example/", RedirectError::PlaceholderInHost),
            ("https://shop.example{token}/", RedirectError::PlaceholderInHost),
            ("https://shop.example:8{token}/", RedirectError::PlaceholderInHost),
            ("https://shop.example:9999{token}/", RedirectError::Url),
            ("https://shop.example:x{token}/", RedirectError::Url),
            ("https://[::1]{token}/", RedirectError::Url),
            ("https://a@shop.example/{token}", RedirectError::User),
            ("https://{token}@shop.example/", RedirectError::User),
            ("https://shop.example/ {token}", RedirectError::Characters),
            ("https://shop.example/#{token}\r\nA: b", RedirectError::Characters),
            ("https://shop.example/é{token}", RedirectError::Characters),
            (&format!("https://shop.example/{}{{token}}", "a".repeat(MAX_LENGTH)), RedirectError::Length),
        ] {
            assert_eq!(audience(url), Err(expected), "{url}");
        }
    }
}
