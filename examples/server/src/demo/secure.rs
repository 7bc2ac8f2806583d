//! A page that opens only just after a tap, as a customer's own site would have it.
//!
//! The link to it has the token of a fresh tap. The token is valid once, and is exchanged for a cookie at once, so a copy of the link or of
//! the address that remains does not open the page.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use suntap::platform::Verdict;
use suntap::token::{self, Grant, TokenError, UseError};
use suntap::{FreshProof, UnixMillis};

use super::decision::Decision;
use super::tags::{TAGS, TagOfDemo};
use crate::app::App;
use crate::http::page::{self, Decided, Place, Seal, Sign, Told, cookie};
use crate::registry::document::key;
use crate::registry::tag;
use crate::store::StoreError;
use crate::time::now;

const PATH: &str = "/demo/secure";
const COOKIE: &str = "__Host-suntap-demo";
/// The audience of the tokens. That of a redirect begins with a number, so no endpoint accepts this one.
const AUDIENCE: &str = "demo page";
/// How long the page is open after a tap.
const OPEN: Duration = Duration::from_secs(60);
const LATE: &str = "The minute after the tap has passed.";

/// The way to the page, for the visitor who has just tapped.
pub(super) struct Pass {
    token: String,
    pub(super) until: UnixMillis,
}

impl Pass {
    /// Returns `None` if the tap is not fresh.
    pub(super) fn new(decided: &Decided<'_>, at: Option<UnixMillis>) -> Option<Self> {
        let (Ok(Verdict::Fresh(accepted)), Some(row), Some(at)) = (&decided.verdict, decided.record, at) else {
            return None;
        };
        let token =
            row.token_keys().first()?.mint(FreshProof::from(accepted), &Grant::new(AUDIENCE, at, OPEN).with_tamper());
        Some(Self { token: token.as_str().into(), until: at.saturating_add(OPEN) })
    }

    pub(super) fn link(&self) -> String {
        format!("{PATH}?t={}", self.token)
    }
}

/// A visitor for whom the page is open.
pub(super) struct Session {
    tag: &'static TagOfDemo,
    /// The name in the record of the tag.
    name: String,
    seal: Seal,
    from: UnixMillis,
    until: UnixMillis,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    t: Option<String>,
}

/// `GET /demo/secure`. With a token, it leads to the same address without one.
pub(super) async fn secure(State(app): State<Arc<App>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let (Some(demo), Some(now)) = (&app.demo, now()) else { return StatusCode::NOT_FOUND.into_response() };
    let place = Place { host: page::host(&headers), demo: Some("/") };
    let Some(token) = asked.t else {
        let session = cookie::read(&headers, COOKIE).and_then(|name| demo.sessions.get(&name));
        return page::html(&match session {
            Some(session) if now < session.until => opened(&app, &session, place),
            Some(_) => closed(&app, now, Some(LATE), place),
            None => closed(&app, now, None, place),
        });
    };
    let session = match open(&app, &token, now).await {
        Ok(Ok(session)) => session,
        Ok(Err(reason)) => return page::html(&closed(&app, now, Some(reason), place)),
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let Ok(name) = demo.sessions.keep(session) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = Redirect::to(PATH).into_response();
    response.headers_mut().extend(cookie::write(COOKIE, &name, OPEN).map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Uses a token. Returns why the page stays closed, or the session.
async fn open(app: &App, token: &str, now: UnixMillis) -> Result<Result<Session, &'static str>, StoreError> {
    let in_use = app.in_use();
    let claims = match token::verify(token, &in_use.secrets.token_keys, AUDIENCE, now, Duration::ZERO) {
        Ok(claims) => claims,
        Err(TokenError::Expired { .. }) => return Ok(Err(LATE)),
        Err(_) => return Ok(Err("The link is not from a tap.")),
    };
    let mut counters = &app.store;
    match claims.use_within_async(&mut counters, now, Duration::ZERO).await {
        Ok(_) => {}
        Err(UseError::Store(error)) => return Err(error),
        Err(UseError::NewerTap { .. }) => return Ok(Err("The link of a newer tap was opened.")),
        Err(_) => return Ok(Err("The link was opened before.")),
    }
    let found = tag(&app.store, key::counter(&claims.counter_id())).await?;
    let session = found.and_then(|(name, stored)| {
        let (_, text) = name.split_once('/')?;
        let tag = TAGS.iter().find(|tag| tag.text == text)?;
        let (name, seal) = (stored.name.unwrap_or_default(), Seal::new(claims.tamper()));
        Some(Session { tag, name, seal, from: claims.issued_at(), until: claims.expires_at() })
    });
    Ok(session.ok_or("The tag is not one of the demo."))
}

fn opened(app: &App, session: &Session, place: Place<'_>) -> Markup {
    let title = ("Open for one minute", "You tapped the tag just now, so this page opened: it closes by itself.");
    let content = html! {
        section.product {
            div.product-picture { (page::drawing("0 0 96 96", session.tag.art)) }
            div { h2 { (session.name) } p.soft { "Care instructions" } }
        }
        p { "Whatever belongs behind a tap stands here: a manual, a registration, a warranty form." }
        dl.facts {
            @if let Some(seal) = session.seal.text() { (page::fact("Seal", &html! { (seal) })) }
            @if let Some(time) = page::utc(Some(session.from)) { (page::fact("Opened", &time)) }
            @if let Some(time) = page::utc_time(session.until) { (page::fact("Closes", &time)) }
        }
    };
    page::sheet(&app.brand, Sign::LockOpen, title, &Markup::default(), &content, place)
}

fn closed(app: &App, now: UnixMillis, reason: Option<&str>, place: Place<'_>) -> Markup {
    let title = ("Tap to open", "This page opens only just after a tap: hold your phone to the tag.");
    let content = html! {
        (page::how())
        dl.facts {
            @if let Some(reason) = reason { (page::fact("Why it is closed", &html! { (reason) })) }
            @if let Some(time) = page::utc(Some(now)) { (page::fact("Checked", &time)) }
        }
    };
    page::sheet(&app.brand, Sign::Locked, title, &Markup::default(), &content, place)
}

/// Returns the part of the demo's page that leads to the page.
pub(super) fn section(last: Option<&Decision>) -> Markup {
    let pass = last.and_then(|last| last.pass.as_ref()).filter(|pass| now().is_some_and(|now| now < pass.until));
    let is_first = last.is_some_and(|last| matches!(last.told, Told::TapOnceMore { .. }));
    let (sign, class) = match pass {
        Some(_) => (Sign::LockOpen, "is-good"),
        None => (Sign::Locked, "is-mute"),
    };
    html! {
        section class={ "card secure " (class) } aria-labelledby="secure" {
            (sign.draw())
            div {
                h2 #secure { "A page that opens only just after a tap" }
                p.soft {
                    @match pass {
                        Some(pass) => {
                            "Open until " (page::utc_time(pass.until).unwrap_or_default()) ", for the first who uses the link. "
                            "After that it is closed to everybody, with the same link too."
                        }
                        None if is_first => "Closed. The second tap opens it, for one minute.",
                        None => "Closed. Only a genuine and new tap opens it, for one minute.",
                    }
                }
            }
            @match pass {
                Some(pass) => a.button.primary href=(pass.link()) { "Open the page" },
                None => a.button href=(PATH) { "Try it anyway" },
            }
        }
    }
}
