//! Which URLs of others the server uses.

use std::net::IpAddr;

use axum::http::Uri;
use axum::http::uri::{Authority, Scheme};

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    /// It is not an absolute URL.
    Malformed,
    /// It has a user name or a password.
    User,
    /// It starts with `http://`, and its host is not this machine.
    Plain,
    /// It has another scheme.
    Scheme,
}

/// Parses an absolute URL without a user name. The scheme `http` is allowed for this machine, and for all hosts if `allow_http` is
/// `true`.
pub(crate) fn parse(text: &str, allow_http: bool) -> Result<Uri, UrlError> {
    let url = text.parse::<Uri>().ok().filter(|url| url.scheme().is_some() && url.authority().is_some());
    let url = url.ok_or(UrlError::Malformed)?;
    let authority = url.authority().map_or("", Authority::as_str);
    if authority.contains('@') {
        return Err(UrlError::User);
    }
    // The parser does not read a port that is no number, nor what follows a `]`.
    let host = url.host().unwrap_or_default();
    if authority != host && Some(authority) != url.port_u16().map(|port| format!("{host}:{port}")).as_deref() {
        return Err(UrlError::Malformed);
    }
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if allow_http || is_local(&url) => Ok(url),
        Some("http") => Err(UrlError::Plain),
        _ => Err(UrlError::Scheme),
    }
}

/// Returns the scheme, the host and the port of a URL, as a browser writes its origin.
pub(crate) fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let default = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    match url.port_u16().filter(|port| *port != default) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

fn is_local(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number() {
        for text in [
            "https://shop.example:99999/",
            "https://shop.example:80a/",
            "https://shop.example:/",
            "https://[::1]evil/",
            "http://[::1]x:80/",
        ] {
            assert_eq!(parse(text, false), Err(UrlError::Malformed), "{text}");
        }
    }

    #[test]
    fn an_origin_is_that_of_a_browser() {
        for (text, expected) in [
            ("https://Shop.Example/p?t=1", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("https://shop.example:8443/", "https://shop.example:8443"),
            ("http://127.0.0.1:80/", "http://127.0.0.1"),
            ("http://localhost:443/", "http://localhost:443"),
            ("http://[::1]:8080/p", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(&parse(text, false).unwrap()), expected);
        }
    }
}
