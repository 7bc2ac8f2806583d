//! The parts that all pages share.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use suntap::UnixMillis;

use super::Brand;
use super::brand::Look;
use crate::app::App;

/// Returns a whole document. `class` is a class of its body.
pub(crate) fn document(look: &Look, title: &str, class: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" dir="ltr" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(&look.style)) }
            }
            body class=[class] { (body) }
        }
    }
}

/// Returns a document for a desk: the brand at the top, and `content` in the middle.
pub(crate) fn desk(brand: &Brand, title: &str, content: &Markup) -> Markup {
    let content = html! {
        (content)
        footer.desk-foot {
            p {
                "For programs: " code { "GET /v1/t" } " and " code { "POST /v1/tags/verify-authenticity" } "."
            }
        }
    };
    document(brand.look(), title, None, &framed(brand, &Markup::default(), &content))
}

/// Like [`desk`], but for the operator, with links between pages at the top.
pub(crate) fn operator_desk(brand: &Brand, title: &str, links: &Markup, content: &Markup) -> Markup {
    document(brand.operator_look(), title, None, &framed(brand, links, content))
}

fn framed(brand: &Brand, links: &Markup, content: &Markup) -> Markup {
    html! {
        a.skip href="#main" { "To the content" }
        header.top { div { a.brand href="/" { (brand.mark()) } (links) } }
        main #main.desk { (content) }
    }
}

/// Returns a time with its zone, because the server does not know the zone of the reader. The text has a fixed width until the year 9999.
pub(crate) fn utc(at: Option<UnixMillis>) -> Option<Markup> {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(i64::try_from(at?.get()).ok()?)?;
    Some(html! {
        time datetime=(time.to_rfc3339_opts(SecondsFormat::Secs, true)) { (time.format("%d %b %Y, %H:%M UTC")) }
    })
}

/// Returns the time of a day, with seconds, for a moment within the next minutes.
pub(crate) fn utc_time(at: UnixMillis) -> Option<Markup> {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(i64::try_from(at.get()).ok()?)?;
    Some(html! { time datetime=(time.to_rfc3339_opts(SecondsFormat::Secs, true)) { (time.format("%H:%M:%S UTC")) } })
}

/// Returns the host of a request if it is a name that a visitor knows. An address, a single word, or an invalid name is left out: it is
/// usually not in the address line of a visitor.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.split(':').next().unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_name = name.len() <= 253 && name.contains('.') && name.split('.').all(is_label);
    let is_address = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (is_name && !is_address).then_some(name)
}

/// Returns the response with a page.
pub(crate) fn html(markup: &Markup) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (headers, Body::from(markup.0.clone())).into_response()
}

/// Adds headers: a page uses only its own style, is not shown in a frame, and is not stored.
pub(crate) async fn sealed_off(State(app): State<Arc<App>>, response: Response) -> Response {
    with_headers(app.brand.look(), response)
}

/// Adds the headers of a page with this look.
pub(crate) fn with_headers(look: &Look, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, look.policy.clone());
    let others = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in others {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_shown_as_the_host() {
        let shown = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(name).unwrap());
            host(&headers).map(String::from)
        };
        for (name, expected) in [("tap.example.com", "tap.example.com"), ("Tap-1.example:8443", "Tap-1.example")] {
            assert_eq!(shown(name).as_deref(), Some(expected));
        }
        let long = format!("{}example", "a.".repeat(130));
        for name in [
            "",
            "t",
            "localhost:80",
            "127.0.0.1:8080",
            "[::1]:80",
            "a..b",
            ".a.b",
            "a.b/<b>",
            "a_b.example",
            "t.é",
            &long,
        ] {
            assert_eq!(shown(name), None, "{name}");
        }
        assert_eq!(host(&HeaderMap::new()), None);
    }

    #[test]
    fn a_time_has_a_fixed_width() {
        let shown = |millis| utc(Some(UnixMillis::new(millis))).unwrap().0;
        let expected = r#"<time datetime="2026-11-05T04:02:07Z">05 Nov 2026, 04:02 UTC</time>"#;
        assert_eq!(shown(1_793_851_327_999), expected);
        for millis in [0, 1, 86_399_999, 253_402_300_799_999] {
            assert_eq!(shown(millis).len(), expected.len());
        }
        assert!(utc(None).is_none() && utc(Some(UnixMillis::new(u64::MAX))).is_none());
    }
}
