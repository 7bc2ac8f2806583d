//! The page that a phone shows after it has read a tag.

use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64ct::Encoding as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::Digest as _;
use suntap::Presented;
use suntap::platform::{Accepted, Caller, Failure, Outcome, Refusal, Request, Verdict};

use super::sender::Sender;
use crate::app::App;
use crate::demo;
use crate::ops::metrics::Api;
use crate::registry::row::Row;
use crate::registry::tag_ref;
use crate::store::StoreError;
use crate::text;
use crate::time::now;

const STYLE: &str = include_str!("style.css");

type Decided<'a> = Outcome<'a, Box<Row>, Failure<StoreError, StoreError>>;

/// A visitor has no token. The tags of an organisation that needs a token are therefore not checked for a visitor, and no tap of them
/// is spent.
const VISITOR: Caller = Caller::Token(None);

/// What a visitor is told. An unknown tag, an inactive tag, a tag that needs a token and a forged tap look alike.
enum Told {
    Genuine { name: String, taps: u32, sealed: bool },
    Opened { name: String },
    SeenBefore { name: String },
    NotRecognised,
    NotNow,
}

/// `GET /tap?…`, as the tag wrote it.
pub(crate) async fn tap(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    answer(&app, &decide(&app, &sender, target).await.unwrap_or(Told::NotRecognised))
}

/// Any other path, which a tag may write if a layout has it.
pub(crate) async fn tap_elsewhere(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    match decide(&app, &sender, target).await {
        Some(told) => answer(&app, &told),
        None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
}

fn answer(app: &App, told: &Told) -> Response {
    let status = if matches!(told, Told::NotNow) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, html(&verdict(told, app.demo.is_some()))).into_response()
}

/// Finds the tags that may have written the URL, and decides. Returns `None` if no layout reads such a URL.
async fn decide(app: &App, sender: &Sender, target: &str) -> Option<Told> {
    let registry = app.registry();
    let mut recording = app.record(Api::Page, &registry, sender);
    let suspects = match registry.suspects(target).await {
        Ok(suspects) => suspects?,
        Err(error) => {
            recording.note(&Some(Err(Failure::Registry(error))));
            return Some(Told::NotNow);
        }
    };
    let mut told = Told::NotRecognised;
    let mut verdict = Ok(Verdict::Refused(Refusal::UnknownTag));
    for tag in suspects.iter().filter_map(|key| tag_ref(key)) {
        let request = Request { tag, caller: VISITOR, tap: Presented::OriginForm(target), at: now() };
        let conclude = |outcome: Decided<'_>| (Told::from(&outcome), outcome.verdict);
        (told, verdict) = app.service.verify_async(&registry, &mut recording, request, conclude).await;
        // The MAC proves which tag it was. Only a tap that another tag cannot have written ends the search.
        if !matches!(verdict, Ok(Verdict::Refused(ref refusal)) if !matches!(refusal, Refusal::Replayed { .. })) {
            break;
        }
    }
    recording.note(&Some(verdict));
    Some(told)
}

impl From<&Decided<'_>> for Told {
    fn from(outcome: &Decided<'_>) -> Self {
        let name = outcome.view.and_then(|record| record.names.tag).map(text::shown).unwrap_or_default();
        match &outcome.verdict {
            Ok(Verdict::Fresh(Accepted { tap, now, .. })) => match tap.tamper {
                Some(status) if !status.is_intact() => Self::Opened { name },
                status => Self::Genuine { name, taps: now.taps, sealed: status.is_some() },
            },
            Ok(Verdict::Refused(Refusal::Replayed { .. })) => Self::SeenBefore { name },
            Ok(Verdict::Refused(_)) => Self::NotRecognised,
            Err(_) => Self::NotNow,
        }
    }
}

fn verdict(told: &Told, demo: bool) -> Markup {
    // The signs differ in shape, so that they can be distinguished without colour.
    let (class, sign, title) = match told {
        Told::Genuine { .. } => ("good", "M30 52 L45 67 L72 36", "Genuine"),
        Told::Opened { .. } => ("warn", "M50 26 V56 M50 73 V74", "Genuine, but opened"),
        Told::SeenBefore { .. } => ("warn", "M68 38 A23 23 0 1 0 73 54 M70 24 V40 H54", "Seen before"),
        Told::NotRecognised => ("bad", "M34 34 L66 66 M66 34 L34 66", "Not recognised"),
        Told::NotNow => ("mute", "M32 50 V51 M50 50 V51 M68 50 V51", "No answer right now"),
    };
    let name = match told {
        Told::Genuine { name, .. } | Told::Opened { name } | Told::SeenBefore { name } => name,
        Told::NotRecognised | Told::NotNow => "",
    };
    let body = html! {
        div.verdict role="status" {
            svg class={ "sign " (class) } viewBox="0 0 100 100" aria-hidden="true" { circle cx="50" cy="50" r="50" {} path d=(sign) {} }
            h1 class=(class) { (title) }
            @if !name.is_empty() { p.name { bdi { (name) } } }
            @match told {
                Told::Genuine { taps, sealed, .. } => {
                    p { "The tag is genuine, and this tap is new." @if *sealed { " Its seal is intact." } }
                    p.soft { @if *taps == 1 { "It is the first tap." } @else { "Tap number " (taps) "." } }
                }
                Told::Opened { .. } => p { "The tag is genuine. Its seal is not intact." },
                Told::SeenBefore { .. } => p { "This link has been used. Hold your phone to the tag once more for a new one." },
                Told::NotRecognised => p { "We cannot confirm this tag. Hold your phone to it once more. If this message appears again, be careful." },
                Told::NotNow => p { "Please hold your phone to the tag once more in a moment." },
            }
            @if demo { p { a href="/" { "Back to the demonstration" } } }
        }
    };
    document(title, &body)
}

/// `GET /`, which a tag may also write.
pub(crate) async fn home(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    if let Some(target) = uri.path_and_query().filter(|target| target.query().is_some())
        && let Some(told) = decide(&app, &sender, target.as_str()).await
    {
        return answer(&app, &told);
    }
    let body = html! {
        h1 { "suntap" }
        p { "This service decides whether an NFC tap is genuine and new." }
        @if let Some(demo) = &app.demo { (demo::home(demo)) }
        section {
            h2 { "For programs" }
            p { code { "GET /v1/t" } " as ixkio answers it" }
            p { code { "POST /v1/tags/verify-authenticity" } " as ETRNL answers it" }
            h2 { "For people" }
            p { code { "GET /tap?…" } " as a tag writes it" }
            h2 { "For operators" }
            p { code { "GET /healthz" } " and " code { "GET /metrics" } }
        }
    };
    html(&document("suntap", &body)).into_response()
}

pub(crate) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}

pub(crate) fn html(markup: &Markup) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (headers, Body::from(markup.0.clone())).into_response()
}

/// Adds headers: a page uses only its own style, is not shown in a frame, and is not stored.
pub(crate) async fn sealed_off(mut response: Response) -> Response {
    static POLICY: OnceLock<Option<HeaderValue>> = OnceLock::new();

    let policy = POLICY.get_or_init(|| {
        let hash = base64ct::Base64::encode_string(&sha2::Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        HeaderValue::from_str(&policy).ok()
    });
    let headers = response.headers_mut();
    if let Some(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
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
