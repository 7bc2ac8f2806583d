//! Cookies that only this host reads and writes.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

/// Returns the value of a cookie of a request.
pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).flatten();
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
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
