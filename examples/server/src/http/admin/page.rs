//! The operator's page: figures, the last taps, and a look at each tag. It can only be read.
//!
//! The page uses the admin service and the history. No part of it reads all tags or the whole history, so it is as fast with a
//! million tags.

mod figures;
mod lines;
mod login;
mod overview;
mod plot;
mod problem;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use suntap::UnixMillis;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

pub use self::login::PageLogin;
use self::problem::Problem;
use super::{AdminState, auth, on_another_thread};
use crate::http::page::{Brand, Sign, html as answer, operator_desk, with_headers};
use crate::text::escaped;
use crate::time;

/// Returns the routes of the page.
pub(super) fn routes(state: &Arc<AdminState>, timeout: Duration) -> Router<Arc<AdminState>> {
    if state.page == PageLogin::Off {
        return Router::new();
    }
    Router::new()
        .route("/", get(overview::page))
        .route("/tags", get(tags::list))
        .route("/tags/", any(not_found))
        .route("/tags/{*key}", get(tags::show))
        .layer(middleware::from_fn(on_another_thread))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(middleware::from_fn_with_state(Arc::clone(state), login::login))
        .layer(middleware::from_fn_with_state(Arc::clone(state), same_site))
        .layer(CatchPanicLayer::new())
        // A browser asks for it without being told to. With the page's password, the API would count it as an invalid key.
        .route("/favicon.ico", any(not_found))
        .layer(middleware::from_fn_with_state(Arc::clone(state), as_page))
}

async fn not_found() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

/// Refuses what the API refuses from other web pages. A link in a mail program works, and so does an address that is typed.
async fn same_site(State(state): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    match auth::check_site(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Writes problems as pages, and adds the headers of a page.
async fn as_page(State(state): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let brand = &state.app.brand;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
        let content = html! { section.block { (problem.markup()) } };
        let page = operator_desk(brand, problem.title(), &Markup::default(), &content);
        let mut written = (status, answer(&page)).into_response();
        let request_id = HeaderName::from_static("x-request-id");
        for name in [header::ALLOW, header::WWW_AUTHENTICATE, header::CONNECTION, request_id] {
            written.headers_mut().extend(response.headers_mut().remove(&name).map(|value| (name, value)));
        }
        response = written;
    }
    with_headers(brand.operator_look(), response)
}

/// A page in the links at the top.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Current {
    Overview,
    Tags,
}

fn desk(brand: &Brand, title: &str, current: Current, content: &Markup) -> Response {
    let link = |path: &str, name: &str, page: Current| {
        html! { a href=(path) aria-current=[(page == current).then_some("page")] { (name) } }
    };
    let links = html! {
        nav aria-label="Pages" { (link("/", "Overview", Current::Overview)) (link("/tags", "Tags", Current::Tags)) }
    };
    answer(&operator_desk(brand, title, &links, content))
}

/// The characters of a path that need no escape.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Returns the path of the page about the tag with a document key, or `None` if the key is not that of a tag.
fn path_of(key: &str) -> Option<String> {
    let (kind, name) = key.split_once('/')?;
    matches!(kind, "xuid" | "number").then(|| format!("/tags/{kind}/{}", utf8_percent_encode(name, IN_PATH)))
}

/// Returns a value for a query.
fn in_query(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

/// Shows a text from a document or from the history.
fn shown(text: &str) -> Markup {
    html! { bdi { (escaped(text)) } }
}

/// Shows a sign and a short text in its colour.
fn chip(sign: Sign, text: &str) -> Markup {
    html! { span class={ "chip " (sign.class()) } { (sign.draw()) (text) } }
}

/// Shows whether something is in use.
fn in_use(is_active: bool) -> Markup {
    if is_active { chip(Sign::Genuine, "In use") } else { chip(Sign::NotRecognised, "Not in use") }
}

/// Shows a number with a comma after each thousand.
fn number(number: u64) -> Markup {
    html! { (indicatif::HumanCount(number)) }
}

/// Returns the form that finds a tag.
fn search(text: &str) -> Markup {
    html! {
        form.search method="get" action="/tags" role="search" {
            label for="q" { "XUID, number, CUID or UID of the tag" }
            input #q name="q" value=(escaped(text)) maxlength="256" autocomplete="off" spellcheck="false";
            button.button.primary { "Search" }
        }
    }
}

fn now() -> UnixMillis {
    time::now().unwrap_or(UnixMillis::new(0))
}
