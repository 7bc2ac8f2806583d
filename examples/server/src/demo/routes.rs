//! The requests of the demo.

use std::sync::{Arc, Mutex};

use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::Demo;
use super::decision::Decision;
use super::link::Link;
use super::tags::{Chip, TagOfDemo, lock};
use super::{secure, view};
use crate::app::App;
use crate::http::page::{self, Brand, Place};
use crate::http::{Sender, only};

/// Returns the routes of the demo.
pub(crate) fn routes() -> axum::Router<Arc<App>> {
    axum::Router::new()
        .route("/demo", post(act))
        .route("/demo/secure", only("GET", get(secure::secure)))
        .route("/demo/{decision}", get(shown))
        .route("/demo/{decision}/phone", get(phone))
}

/// The first page of the demo.
pub(crate) fn start(brand: &Brand, demo: &Demo) -> Response {
    page::html(&view::page(brand, demo, None))
}

#[derive(Deserialize)]
struct Wish {
    tag: String,
    #[serde(rename = "do")]
    act: Act,
    /// The decision whose link is sent once more.
    last: Option<String>,
}

/// What a visitor does.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Act {
    Tap,
    /// Breaks the seal, and taps.
    Break,
    /// Closes the seal, and taps.
    Close,
    /// Sends a link once more.
    Again,
    /// Sends a link with a digit changed.
    Digit,
}

/// `POST /demo`. It leads to the page about the decision, so that a reload does not send the link once more.
async fn act(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    Form(wish): Form<Wish>,
) -> Response {
    let Some(demo) = app.demo.as_ref() else { return StatusCode::NOT_FOUND.into_response() };
    let Some((tag, chip)) = demo.tag(&wish.tag) else { return StatusCode::NOT_FOUND.into_response() };
    let last = wish.last.and_then(|name| demo.decisions.get(&name)).filter(|last| last.tag.slug == tag.slug);
    let link = match (wish.act, last) {
        (Act::Again, Some(last)) => last.link.clone(),
        (Act::Digit, Some(last)) => last.link.changed(),
        // The decision was dropped.
        (Act::Again | Act::Digit, None) => return Redirect::to("/").into_response(),
        (Act::Tap | Act::Break | Act::Close, _) => match tapped(wish.act, tag, chip) {
            Ok(link) => link,
            // The counter of the tag has reached its limit.
            Err(_) => return StatusCode::GONE.into_response(),
        },
    };
    let Some((decision, cookie)) = Decision::new(&app, &sender, tag, link, &headers).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut response = match demo.decisions.keep(decision) {
        Ok(name) => Redirect::to(&format!("/demo/{name}#last")).into_response(),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

fn tapped(act: Act, tag: &TagOfDemo, chip: &Mutex<Chip>) -> anyhow::Result<Link> {
    let mut chip = lock(chip);
    match act {
        Act::Break if tag.has_seal => chip.break_seal(),
        Act::Close if tag.has_seal => chip.close_seal(),
        _ => {}
    }
    Ok(Link::new(chip.tap()?))
}

/// `GET /demo/{decision}`
async fn shown(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    match app.demo.as_ref().and_then(|demo| Some((demo, demo.decisions.get(&name)?))) {
        Some((demo, decision)) => page::html(&view::page(&app.brand, demo, Some((&name, &decision)))),
        None => Redirect::to("/").into_response(),
    }
}

/// `GET /demo/{decision}/phone`: the page that a phone would have shown.
async fn phone(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let Some(decision) = app.demo.as_ref().and_then(|demo| demo.decisions.get(&name)) else {
        return Redirect::to("/").into_response();
    };
    let back = format!("/demo/{name}#last");
    let place = Place { host: None, demo: Some(&back) };
    page::html(&page::page(&app.brand, &decision.told, decision.at, place))
}
