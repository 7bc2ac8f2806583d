//! The first page: figures, the last taps, and the search.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::figures::Figures;
use super::lines::verdict_of;
use super::plot::{plot, share};
use super::problem::Problem;
use super::{Current, chip, desk, now, number, search, shown};
use crate::admin::{Admin, AdminError};
use crate::http::admin::auth::Session;
use crate::http::page::{Sign, utc};
use crate::ops::history::Span;
use crate::store::Recording;

/// The greatest number of tags that are counted.
const COUNTED: usize = 1000;
/// The greatest number of pages that are read to count them. Over Redis, a page can be empty.
const PAGES: usize = 20;

/// `GET /`
pub(super) async fn page(session: Session) -> Result<Response, Problem> {
    let app = &session.state.app;
    let at = now();
    if let Err(cause) = app.readiness.get(&app.store).await {
        let health = tile("Health", &chip(Sign::NoAnswer, "Fails"), &html! { (cause) });
        let content = html! { div.block { h1 { "Operator" } dl.tiles { (health) } } };
        let mut response = desk(&app.brand, "Operator", Current::Overview, &content);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(response);
    }
    let (tags, is_all) = count(&session.admin()).await?;
    let figures = match app.store.recording() {
        Recording::Off => None,
        Recording::WithCounter | Recording::Later => Some(Figures::read(&app.store, at).await?),
    };
    let health = tile("Health", &chip(Sign::Genuine, "Works"), &html! { "The store answers" });
    let content = html! {
        div.block {
            div.block-head {
                h1 { "Operator" }
                p.soft.small { "Read only. As of " (utc(Some(at)).unwrap_or_default()) "; reload for newer figures." }
            }
            dl.tiles {
                (health)
                (tile("Tags", &html! { (number(tags)) @if !is_all { "+" } }, &html! { a href="/tags" { "List" } }))
                @if let Some(figures) = &figures { (tiles(figures)) }
            }
        }
        @match &figures {
            Some(figures) => {
                div.columns.wide-start {
                    section.card.block aria-labelledby="rate" { (rate(figures)) }
                    section.card.block aria-labelledby="kinds" { (kinds(figures)) }
                }
                section.card.block aria-labelledby="taps" {
                    div.block-head {
                        h2 #taps { "Last taps" }
                        p.soft.small { (extent("The newest eight", figures.last_span, figures.is_cut)) }
                    }
                    @match figures.last.table("Last taps", true, at) {
                        Some(table) => (table),
                        None => p.soft { "None." },
                    }
                }
            }
            None => p.card.soft {
                "The history is off, so there are no figures and no last taps. " code { "--history-keep" } " turns it on."
            },
        }
        section.block aria-labelledby="find" { h2 #find { "Find a tag" } (search("")) }
    };
    Ok(desk(&app.brand, "Operator", Current::Overview, &content))
}

/// Returns the number of tags, and `false` if there are more.
async fn count(admin: &Admin<'_>) -> Result<(u64, bool), AdminError> {
    let mut keys = HashSet::new();
    let mut cursor = None;
    for _ in 0..PAGES {
        let wanted = COUNTED.saturating_add(1).saturating_sub(keys.len());
        let page = admin.tags("", cursor.as_deref(), wanted).await?;
        // Over Redis, a tag may be on two pages.
        keys.extend(page.items.into_iter().map(|(key, _)| key));
        cursor = page.next;
        if cursor.is_none() || keys.len() > COUNTED {
            break;
        }
    }
    let is_all = cursor.is_none() && keys.len() <= COUNTED;
    Ok((u64::try_from(keys.len().min(COUNTED)).unwrap_or(u64::MAX), is_all))
}

fn tile(name: &str, value: &Markup, more: &Markup) -> Markup {
    html! { div.card.tile { dt { (name) } dd { (value) } dd { (more) } } }
}

fn tiles(figures: &Figures) -> Markup {
    let Some(span) = figures.span else { return html! {} };
    let (accepted, refused) = (figures.accepted, figures.all_refused());
    let all = accepted.saturating_add(refused);
    let thousandths = share(refused, all, 1000);
    let percent = format!("{}.{} %", thousandths / 10, thousandths % 10);
    let name = |what: &str| format!("{what}, last {}", span.name());
    html! {
        (tile(&name("Taps"), &number(all), &html! { (number(accepted)) " of them new" }))
        (tile(&name("Refused"), &number(refused), &html! { (percent) }))
        (tile(&name("Admin acts"), &number(figures.acts), &html! { "In the history" }))
    }
}

fn rate(figures: &Figures) -> Markup {
    html! {
        @if figures.span == Some(Span::HOUR) { (plot(&figures.minutes)) }
        @else {
            h2 #rate { "Taps per minute" }
            p.soft { "There were too many taps in the last hour to read them all for this page. The metrics of the server count them." }
        }
    }
}

fn kinds(figures: &Figures) -> Markup {
    let mut kinds: Vec<_> = figures.refused.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let most = kinds.first().map(|(_, count)| **count).unwrap_or_default();
    html! {
        div.block-head {
            h2 #kinds { "Refusals by kind" }
            @if let Some(span) = figures.span { p.soft.small { "Last " (span.name()) } }
        }
        @if kinds.is_empty() { p.soft { "None." } }
        @else {
            table {
                caption.hidden { "Refusals by kind" }
                tbody {
                    @for (word, count) in &kinds {
                        @let (sign, text) = verdict_of(word);
                        tr class=(sign.class()) {
                            th scope="row" {
                                (text) br;
                                code.soft { (shown(word)) }
                            }
                            td {
                                svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                                    rect width=(share(**count, most, 100).max(1)) height="10" {}
                                }
                            }
                            td.end { (number(**count)) }
                        }
                    }
                }
            }
        }
    }
}

/// Says how far a table goes back.
pub(super) fn extent(what: &str, span: Option<Span>, is_cut: bool) -> Markup {
    html! {
        @match span {
            Some(span) => { (what) " of the last " (span.name()) @if is_cut { ": there are too many lines before" } }
            None => "There are too many lines to read",
        }
    }
}
