//! The list of tags, and the page about a tag.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use suntap::Uid;

use super::lines::{Rows, tag_link};
use super::overview::extent;
use super::problem::Problem;
use super::{Current, desk, in_query, in_use, now, number, path_of, search, shown};
use crate::admin::{Admin, AdminError, Listed, TagDetails, tag_key};
use crate::http::admin::auth::Session;
use crate::http::page::utc;
use crate::ops::history::{Past, Recent};
use crate::registry::document::{Derivation, KeySource, Layout, State, StoredKeys, Tag};
use crate::registry::levels;
use crate::store::{Recording, Store, StoreError};

/// The greatest number of tags in a list.
const LISTED: usize = 50;
/// The greatest number of pages that are read for a list. Over Redis, a page can be empty.
const PAGES: usize = 20;
/// The greatest number of lines of the history of a tag.
const LINES: usize = 20;

/// A tag, and the key of its document.
type Item = (String, Box<Tag<StoredKeys>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The name of a tag, or its start.
    #[serde(default)]
    q: String,
    cursor: Option<String>,
}

/// `GET /tags`: the tag with a name, or a list.
pub(super) async fn list(session: Session, query: Result<Query<Wanted>, QueryRejection>) -> Result<Response, Problem> {
    let Ok(Query(Wanted { q, cursor })) = query else { return Err(Problem::of_status(StatusCode::BAD_REQUEST)) };
    let (name, admin) = (q.trim(), session.admin());
    let mut list = html! {};
    if cursor.is_none() && !name.is_empty() {
        let found = admin.find(name).await?;
        if let ([(key, _)], false) = (&*found.tags, found.is_cut)
            && let Some(path) = path_of(key)
        {
            return Ok(Redirect::to(&path).into_response());
        }
        list = html! {
            @if !found.tags.is_empty() { (table("Tags with this name", &found.tags)) }
            @if found.is_cut {
                p.soft {
                    "Not all organisations were searched. These names find every tag: "
                    code { "cuid/ACCOUNT/CUID" } ", " code { "uid/ACCOUNT/UID" } "."
                }
            }
        };
    }
    let prefix = prefix(name);
    let page = page(&admin, prefix.as_deref(), cursor.as_deref()).await?;
    let heading = match &prefix {
        Some(prefix) if !name.is_empty() => html! { "Tags whose key starts with " code { (shown(prefix)) } },
        _ => html! { "All tags" },
    };
    let content = html! {
        div.block { h1 { "Tags" } (search(name)) (list) }
        section.block aria-labelledby="list" {
            h2 #list { (heading) }
            @if !page.items.is_empty() { (table("Tags", &page.items)) }
            @else if page.next.is_none() { p.soft { "None." } }
            @else { p.soft { "None on this page." } }
            @if cursor.is_some() || page.next.is_some() {
                nav.actions aria-label="Pages of the list" {
                    @if cursor.is_some() { a.button href={ "/tags?q=" (in_query(name)) } { "First page" } }
                    @if let Some(next) = &page.next {
                        a.button href={ "/tags?q=" (in_query(name)) "&cursor=" (in_query(next)) } { "Next page" }
                    }
                }
            }
        }
    };
    Ok(desk(&session.state.app.brand, "Tags", Current::Tags, &content))
}

/// Returns the start of the keys of the tags to list. A name that no key starts with has none.
fn prefix(name: &str) -> Option<String> {
    match name.split_once('/') {
        None if name.is_empty() => Some(String::new()),
        None if name.parse::<u64>().is_ok() => Some(format!("number/{name}")),
        None => Some(format!("xuid/{name}")),
        Some(("xuid" | "number", _)) => Some(name.to_owned()),
        Some(_) => None,
    }
}

/// Returns a page of tags.
async fn page(
    admin: &Admin<'_>,
    prefix: Option<&str>,
    cursor: Option<&str>,
) -> Result<Listed<Box<Tag<StoredKeys>>>, AdminError> {
    let Some(prefix) = prefix else { return Ok(Listed { items: Vec::new(), next: None }) };
    let mut page = admin.tags(prefix, cursor, LISTED).await?;
    for _ in 1..PAGES {
        if !page.items.is_empty() || page.next.is_none() {
            break;
        }
        page = admin.tags(prefix, page.next.as_deref(), LISTED).await?;
    }
    Ok(page)
}

fn table(name: &str, tags: &[Item]) -> Markup {
    html! {
        div.card {
            div.scroll role="region" aria-label=(name) tabindex="0" {
                table {
                    caption.hidden { (name) }
                    thead {
                        tr {
                            th scope="col" { "Tag" }
                            th scope="col" { "Name" }
                            th.wide-only scope="col" { "CUID" }
                            th.wide-only scope="col" { "Batch" }
                            th.wide-only scope="col" { "UID" }
                            th scope="col" { "Own state" }
                        }
                    }
                    tbody {
                        @for (key, tag) in tags {
                            tr {
                                td.nowrap { (tag_link(key)) }
                                td.text { (text(tag.name.as_deref())) }
                                td.text.wide-only { (text(tag.cuid.as_deref())) }
                                td.text.wide-only { (text(tag.batch.as_deref())) }
                                td.nowrap.wide-only { (uid(tag.uid)) }
                                td { (in_use(tag.state == State::Active)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn text(text: Option<&str>) -> Markup {
    html! { @match text { Some(text) => (shown(text)), None => span.soft { "—" } } }
}

/// Shows the last four digits of a UID.
fn uid(uid: Option<Uid>) -> Markup {
    let Some(uid) = uid else { return text(None) };
    let digits = uid.to_string();
    html! { code { "…" (digits.get(10..).unwrap_or_default()) } }
}

/// `GET /tags/xuid/…` and `GET /tags/number/…`: a tag.
pub(super) async fn show(session: Session, key: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Ok(Path(key)) = key else { return Err(Problem::of_status(StatusCode::BAD_REQUEST)) };
    if !key.contains('/') {
        return Err(Problem::of_status(StatusCode::NOT_FOUND));
    }
    let (app, admin, at) = (&session.state.app, session.admin(), now());
    let details = admin.tag(&tag_key(&key)?).await?;
    let states = states(&admin, &details.tag).await?;
    let TagDetails { key, tag, layout, redirect, two_taps, inactive, mark } = &details;
    let name = key.split_once('/').map_or(&**key, |(_, name)| name);
    let title = tag.cuid.as_deref().unwrap_or(name);
    let (api, id) = if tag.xuid.is_some() { ("ixkio", "XUID") } else { ("ETRNL", "Number") };
    let has_counter = tag.keys.as_ref().is_some_and(|keys| keys.counter.is_some());
    let history = match app.store.recording() {
        Recording::Off => html! { p.soft { "The history is off." } },
        Recording::WithCounter | Recording::Later => history(&app.store, key).await?,
    };
    let content = html! {
        section.block aria-labelledby="detail" {
            div.block-head {
                h1 #detail { "Tag " (shown(title)) }
                p.soft.small { "As of " (utc(Some(at)).unwrap_or_default()) }
            }
            div.card.columns {
                div.block {
                    @if let Some(name) = &tag.name { section.product { div { h2 { (shown(name)) } } } }
                    dl.facts {
                        @for (name, is_active) in &states { (fact(name, &in_use(*is_active))) }
                    }
                    @if inactive.is_some() { p.small.soft { "All taps are refused." } }
                }
                dl.facts {
                    (fact(&html! { "API" }, &html! { (api) }))
                    (fact(&html! { (id) }, &html! { code { (shown(name)) } }))
                    @if let Some(cuid) = &tag.cuid { (fact(&html! { "CUID" }, &shown(cuid))) }
                    (fact(&html! { "UID" }, &uid(tag.uid)))
                    (fact(&html! { "Last counter" }, &match (mark, has_counter) {
                        (Some(mark), _) => html! { span.number { (mark.ctr.get()) } },
                        (None, true) => html! { "None yet" },
                        (None, false) => html! { "Not known" },
                    }))
                    @if let Some(mark) = mark {
                        (fact(&html! { "Accepted taps" }, &html! { span.number { (number(mark.taps.into())) } }))
                        (fact(&html! { "Last accepted" }, &utc(mark.at).unwrap_or_else(|| html! { "Not known" })))
                    }
                    (fact(&html! { "Keys" }, &html! { (keys(tag.keys.as_ref())) }))
                    (fact(&html! { "Link" }, &link(layout.as_ref())))
                    @if *two_taps { (fact(&html! { "Page" }, &html! { "After two taps" })) }
                    @if let Some(redirect) = redirect { (fact(&html! { "Redirect" }, &html! { code { (shown(&redirect.url)) } })) }
                    (fact(&html! { "Seal" }, &html! { (seal(layout.as_ref(), tag.tamper)) }))
                }
            }
        }
        section.card.block aria-labelledby="history" { (history) }
        section.block aria-labelledby="find" { h2 #find { "Find a tag" } (search("")) }
    };
    let title = format!("Tag {}", crate::text::escaped(title));
    Ok(desk(&app.brand, &title, Current::Tags, &content))
}

fn fact(name: &Markup, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Returns the names of the levels around a tag and of the tag, and whether each is in use.
async fn states(admin: &Admin<'_>, tag: &Tag<StoredKeys>) -> Result<Vec<(Markup, bool)>, AdminError> {
    let organisation = admin.organisation(tag.organisation).await?;
    let mut states = vec![(html! { "Organisation " (shown(&organisation.name)) }, organisation.state)];
    let kinds = ["Folder ", "Group ", "Batch "];
    for (kind, path) in kinds.into_iter().zip(tag.batch.iter().flat_map(|path| levels(path))) {
        let level = admin.level(tag.organisation, path).await?;
        let name = path.rsplit('/').next().unwrap_or(path);
        states.push((html! { (kind) (shown(name)) }, level.state));
    }
    states.push((html! { "Tag" }, tag.state));
    Ok(states.into_iter().map(|(name, state)| (name, state == State::Active)).collect())
}

/// Says where the keys come from.
fn keys(keys: Option<&StoredKeys>) -> String {
    match keys.map(|keys| &keys.source) {
        None => "Not known yet".into(),
        Some(KeySource::Held { .. }) => "Sealed".into(),
        Some(KeySource::Sealed { epoch, .. }) => format!("Sealed under the eCode, epoch {epoch}"),
        Some(KeySource::Derived(Derivation::An10922 { epoch, .. })) => format!("Derived (AN10922), epoch {epoch}"),
        Some(KeySource::Derived(Derivation::Boltcard { version, .. })) => {
            format!("Derived (Bolt Card), version {version}")
        }
        Some(KeySource::Derived(Derivation::SdmBackend { .. })) => "Derived (sdm-backend)".into(),
        Some(KeySource::Derived(Derivation::ECode { epoch })) => format!("Derived (eCode), epoch {epoch}"),
        Some(KeySource::Signing { .. }) => "Public key of a tag that signs its taps".into(),
    }
}

/// Returns the placeholders of a layout.
fn placeholders(layout: &Layout) -> impl Iterator<Item = &str> {
    layout.template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

fn link(layout: Option<&Layout>) -> Markup {
    html! {
        @match layout {
            Some(layout) => {
                @let names: Vec<_> = placeholders(layout).map(|name| format!("{{{name}}}")).collect();
                code dir="ltr" { (crate::text::escaped(&names.join(" "))) }
            }
            None => "No layout",
        }
    }
}

fn seal(layout: Option<&Layout>, is_checked: bool) -> &'static str {
    let has_seal = layout.is_some_and(|layout| placeholders(layout).any(|name| name == "tt" || name.contains("tt@")));
    match (has_seal, is_checked) {
        (true, true) => "Part of the verdict",
        (true, false) => "Not part of the verdict",
        (false, _) => "This tag has none",
    }
}

/// Shows the newest lines of the history about a tag.
async fn history(store: &Store, key: &str) -> Result<Markup, StoreError> {
    let at = now();
    let mut rows = Rows::new(LINES);
    let mut recent = Recent::new(store, at);
    while !rows.is_full() {
        let Some(entries) = recent.next().await? else { break };
        for entry in &entries {
            if let Some(past) = Past::new(entry).filter(|past| past.subject() == Some(key)) {
                rows.add(entry.at, &past);
            }
        }
    }
    Ok(html! {
        div.block-head {
            h2 #history { "History of this tag" }
            p.soft.small { (extent("The newest twenty lines", recent.span(), recent.is_cut())) }
        }
        @match rows.table("History of this tag", false, at) {
            Some(table) => (table),
            None => p.soft { "None." },
        }
        p.soft.small { "All lines: " code { "suntap-server history --tag " (shown(key)) } }
    })
}
