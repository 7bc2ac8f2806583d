//! Cookies that only this host reads and writes.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

/// Returns the value of a cookie of a request.
pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(header::COOKIE).iter().find_map(|line| {
        // Another host of the domain may have set a cookie with other characters.
        let line = String::from_utf8_lossy(line.as_bytes());
        let mut cookies = Cookie::split_parse(&*line).flatten();
        cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
    })
}

/// Returns the header that sets a cookie, or deletes it if the lifetime is zero. A browser refuses the prefix `__Host-` in `name` without
/// these attributes.
pub(crate) fn write(name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
    let cookie = Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        // A browser sends it when another program opens a URL of this host.
        .same_site(SameSite::Lax)
        .max_age(lifetime.try_into().ok()?);
    HeaderValue::try_from(cookie.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let found = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
            }
            read(&headers, "__Host-a")
        };
        for lines in [
            &[&b"__Host-a=1"[..]][..],
            &[b"b=2; __Host-a=1; c=3"],
            &[b"b=2", b"__Host-a=1"],
            &[b"b=\xe9; ; =; __Host-a=1"],
            &["é=ü; __Host-a=1".as_bytes()],
        ] {
            assert_eq!(found(lines).as_deref(), Some("1"), "{lines:?}");
        }
        for lines in [&[][..], &[&b"a=1"[..]], &[b"__host-a=1"], &[b"b=__Host-a=1"]] {
            assert_eq!(found(lines), None, "{lines:?}");
        }
    }
}
