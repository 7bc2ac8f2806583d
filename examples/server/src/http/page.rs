//! Pages for people: the page that a phone shows after it has read a tag, and the first page.

mod brand;
pub(crate) mod cookie;
mod frame;
mod phone;
mod redirect;
mod second_tap;
mod sign;
mod told;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::html;
use suntap::platform::{Caller, Failure, Outcome, Refusal, Request, TagRef, Verdict};
use suntap::{Presented, UnixMillis};

pub use self::brand::{Brand, Colour, Logo};
pub(crate) use self::frame::{desk, host, html, operator_desk, sealed_off, utc, utc_time, with_headers};
pub(crate) use self::phone::{Place, fact, how, page, sheet};
pub(crate) use self::second_tap::{Draft, Reply};
pub(crate) use self::sign::{Sign, drawing, icon};
pub(crate) use self::told::{Seal, Told};
use super::sender::Sender;
use crate::app::App;
use crate::demo;
use crate::ops::metrics::Api;
use crate::registry::row::Row;
use crate::registry::tag_ref;
use crate::store::StoreError;
use crate::time::now;

/// The outcome of a tap that a visitor opened.
pub(crate) type Decided<'a> = Outcome<'a, Box<Row>, Failure<StoreError, StoreError>>;

/// A visitor has no token. The tags of an organisation that needs a token are therefore not checked for a visitor, and no tap of them
/// is spent.
const VISITOR: Caller = Caller::Token(None);

/// `GET /tap?…`, as the tag wrote it.
pub(crate) async fn tap(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let at = now();
    let result = tapped(&app, &sender, target, at, &headers).await;
    answer(&app, &result.unwrap_or_else(Tapped::not_recognised), at, &headers)
}

/// Any other path, which a tag may write if a layout has it.
pub(crate) async fn tap_elsewhere(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let at = now();
    match tapped(&app, &sender, target, at, &headers).await {
        Some(result) => answer(&app, &result, at, &headers),
        None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
}

/// What a visitor gets for a tap.
struct Tapped {
    told: Told,
    /// The address of the page that the tag opens.
    location: Option<HeaderValue>,
    /// A change of the visitor's cookie.
    cookie: Option<HeaderValue>,
}

impl Tapped {
    fn not_recognised() -> Self {
        Self { told: Told::NotRecognised, location: None, cookie: None }
    }
}

/// Decides about a tap. Returns `None` if no layout reads such a URL.
async fn tapped(
    app: &App,
    sender: &Sender,
    target: &str,
    at: Option<UnixMillis>,
    headers: &HeaderMap,
) -> Option<Tapped> {
    let conclude = |tag: Option<TagRef<'_>>, outcome: &Decided<'_>| {
        let draft = Draft::new(tag, outcome, at, headers);
        let is_genuine = matches!(draft.reply.told, Told::Genuine(..));
        (draft, is_genuine.then(|| redirect::location(outcome, at, app.token_lifetime)).flatten())
    };
    let (draft, location) = decide(app, sender, target, at, conclude).await?;
    let Reply { told, cookie } = draft.settle(app, at).await;
    let location = location.filter(|_| matches!(told, Told::Genuine(..)));
    Some(Tapped { told, location, cookie })
}

fn answer(app: &App, result: &Tapped, at: Option<UnixMillis>, headers: &HeaderMap) -> Response {
    let Tapped { told, location, cookie } = result;
    let place = Place { host: host(headers), demo: app.demo.is_some().then_some("/") };
    let mut response = match location {
        Some(location) => redirect::response(location.clone()),
        None => (status(told), html(&page(&app.brand, told, at, place))).into_response(),
    };
    response.headers_mut().extend(cookie.clone().map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Returns the status of the page.
fn status(told: &Told) -> StatusCode {
    if matches!(told, Told::NotNow) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// Finds the tags that may have written the path and query `target`, decides, and returns what `conclude` makes of the outcome and of the
/// reference by which the tag was found. Returns `None` if no layout reads such a URL.
pub(crate) async fn decide<T>(
    app: &App,
    sender: &Sender,
    target: &str,
    at: Option<UnixMillis>,
    conclude: impl Fn(Option<TagRef<'_>>, &Decided<'_>) -> T,
) -> Option<T> {
    let in_use = app.in_use();
    let registry = in_use.registry(&app.store);
    let mut recording = app.record(Api::Page, &registry, sender);
    let conclude = |tag, outcome: Decided<'_>| (conclude(tag, &outcome), outcome.verdict);
    let without_record = |verdict| conclude(None, Outcome { record: None, verdict, view: None, message: None });
    let mut decided = without_record(Ok(Verdict::Refused(Refusal::UnknownTag)));
    match registry.suspects(target).await {
        Ok(None) => return None,
        Ok(Some(suspects)) => {
            for tag in suspects.iter().filter_map(|key| tag_ref(key)) {
                let request = Request { tag, caller: VISITOR, tap: Presented::OriginForm(target), at };
                let conclude = |outcome: Decided<'_>| conclude(Some(tag), outcome);
                decided = in_use.service().verify_async(&registry, &mut recording, request, conclude).await;
                // The MAC proves which tag it was. Only a tap that another tag cannot have written ends the search.
                if !matches!(decided.1, Ok(Verdict::Refused(ref refusal)) if !matches!(refusal, Refusal::Replayed { .. }))
                {
                    break;
                }
            }
        }
        Err(error) => decided = without_record(Err(Failure::Registry(error))),
    }
    let (concluded, verdict) = decided;
    recording.note(&Some(verdict)).await;
    Some(concluded)
}

/// `GET /`, which a tag may also write.
pub(crate) async fn home(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let at = now();
    if let Some(target) = uri.path_and_query().filter(|target| target.query().is_some())
        && let Some(result) = tapped(&app, &sender, target.as_str(), at, &headers).await
    {
        return answer(&app, &result, at, &headers);
    }
    if let Some(demo) = &app.demo {
        return demo::start(&app.brand, demo);
    }
    let content = html! {
        section.block {
            h1 { "Is it the original?" }
            p.soft { "This server decides whether a tap on an NFC tag is genuine and new. Hold your phone to a tag to see its page." }
        }
    };
    html(&desk(&app.brand, app.brand.name(), &content))
}
