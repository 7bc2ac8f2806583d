//! The page of the demo.

use std::fmt;

use maud::{Markup, html};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use suntap::platform::{Refusal, Verdict};

use super::checks::{Check, checks};
use super::decision::{Decision, Written};
use super::link::{annotated, legend};
use super::tags::{TagOfDemo, lock};
use super::{Demo, art, secure};
use crate::http::page::{self, Brand, Sign, Told, drawing, icon};
use crate::ops::metrics::Api;

/// A phone beside a tag. The sign on the screen is drawn apart.
const PHONE_FRAME: &str = "<rect class=\"pale\" x=\"60\" y=\"22\" width=\"140\" height=\"262\" rx=\"24\" stroke-width=\"3\"/>\
<rect class=\"screen\" x=\"70\" y=\"34\" width=\"120\" height=\"238\" rx=\"14\" stroke=\"none\"/>\
<path d=\"M118 44H142\" stroke-width=\"4\"/>\
<path d=\"M102 172H158\" stroke-width=\"7\"/><path d=\"M92 192H168M106 208H154\" stroke-width=\"3\" opacity=\".45\"/>";
const WAVES_AND_TAG: &str = "<path class=\"wave\" d=\"M222 110A62 62 0 0 1 226 186M242 92A96 96 0 0 1 248 200\"/>\
<g transform=\"translate(318 150)\"><circle class=\"pale\" r=\"50\" stroke-width=\"3\"/><circle r=\"40\" opacity=\".5\"/>\
<circle r=\"33\" opacity=\".5\"/><circle r=\"26\" opacity=\".5\"/>\
<rect class=\"solid\" x=\"-8\" y=\"-8\" width=\"16\" height=\"16\" rx=\"3\"/></g>";

/// Returns the page: the tags, and the last tap with its name if there is one.
pub(super) fn page(brand: &Brand, demo: &Demo, last: Option<(&str, &Decision)>) -> Markup {
    let content = html! {
        (hero())
        section.block aria-labelledby="tags" {
            div.block-head { h2 #tags { "Choose a tag" } p.soft.small { "All keys are new with each start." } }
            div.tags {
                @for (tag, _) in &demo.tags {
                    @if tag.is_listed { (card(demo, tag, last.is_some_and(|(_, last)| last.tag.slug == tag.slug))) }
                }
            }
        }
        section.block aria-labelledby="last" {
            @match last {
                Some((name, decision)) => (result(demo, name, decision)),
                None => {
                    div.block-head { h2 #last { "Last tap" } }
                    p.card.soft {
                        "No tap yet. Choose a tag above: what it sent, what was checked and what each API answers is then shown here."
                    }
                }
            }
        }
    };
    let content = html! {
        (content)
        (secure::section(last.map(|(_, decision)| decision)))
    };
    page::desk(brand, "Demo", &content)
}

fn hero() -> Markup {
    html! {
        section.hero {
            div {
                h1 { "Tap a tag." br; "See what is checked." }
                p {
                    "This server decides whether a tap on an NFC tag is genuine and new. These tags are made in software, so you can try "
                    "it without one."
                }
            }
            svg.drawing.is-good viewBox="0 0 380 300" aria-hidden="true" {
                g transform="rotate(-8 130 160)" {
                    (maud::PreEscaped(PHONE_FRAME))
                    g.sign transform="translate(94 78) scale(.45)" { (Sign::Genuine.content()) }
                }
                (maud::PreEscaped(WAVES_AND_TAG))
            }
        }
    }
}

fn card(demo: &Demo, tag: &TagOfDemo, is_current: bool) -> Markup {
    html! {
        article.card.tag aria-current=[is_current.then_some("true")] {
            (drawing("0 0 96 96", tag.art))
            h3 { (tag.name) }
            p.soft.small { (tag.about) }
            form.actions method="post" action="/demo" {
                input type="hidden" name="tag" value=(tag.slug);
                (seal_button(demo, tag))
                (button("tap", "Tap", art::TAP, true))
            }
        }
    }
}

/// Returns the button that breaks the seal of a tag, or closes it again.
fn seal_button(demo: &Demo, tag: &TagOfDemo) -> Markup {
    let is_open = demo.tag(tag.slug).is_some_and(|(_, chip)| lock(chip).is_open());
    html! {
        @if tag.has_seal && is_open { (button("close", "Close the seal", art::CLOSED, false)) }
        @else if tag.has_seal { (button("break", "Break the seal", art::BROKEN, false)) }
    }
}

fn button(act: &str, text: &str, drawing: &'static str, is_primary: bool) -> Markup {
    html! { button.button.primary[is_primary] name="do" value=(act) { (icon(drawing)) (text) } }
}

fn result(demo: &Demo, name: &str, decision: &Decision) -> Markup {
    let (sign, title, text) = decision.headline();
    let tag = decision.tag;
    let path = decision.link.sent.strip_prefix(&*demo.origin).unwrap_or("/");
    html! {
        div.block-head {
            h2 #last { "Last tap: " (tag.name) }
            @if let Some(time) = page::utc(decision.at) { p.soft.small { (time) } }
        }
        article class={ "card result " (sign.class()) } {
            div.result-verdict role="status" {
                (sign.draw())
                div { h3.verdict-title { (title) } p { (text) } }
                a.button href={ "/demo/" (name) "/phone" } { (icon(art::PHONE)) "See the phone’s page" }
            }
            div.result-body {
                form.actions method="post" action="/demo" {
                    input type="hidden" name="tag" value=(tag.slug);
                    input type="hidden" name="last" value=(name);
                    (button("tap", "Tap again", art::TAP, true))
                    (seal_button(demo, tag))
                    (button("digit", "Change a digit", art::PENCIL, false))
                    (button("again", "Use the link again", art::AGAIN, false))
                    a.button href=(path) target="_blank" rel="noreferrer" { (icon(art::PERSON)) "Open the link as somebody else" }
                }
                div.columns {
                    div.block {
                        h3 { "What the tag sent" }
                        (annotated(tag, &decision.link))
                        p.copy.soft.small { (icon(art::PAGES)) span { "One click selects the whole link, to copy it. " (fate(decision)) } }
                        (legend(tag, &decision.link, decision.values()))
                    }
                    div.block {
                        h3 { "What was checked" }
                        ol.checks { @for (number, check) in (1..).zip(checks(decision)) { (line(number, &check)) } }
                    }
                }
                div.block {
                    h3 { "The same verdict as each API writes it" }
                    p.small.soft {
                        "A tag belongs to one API, this one to that of " (service(tag.api)) ". The server decided once, and wrote the "
                        "decision in both formats."
                        @if let Told::TapOnceMore { .. } = decision.told { " The APIs answer each tap: only pages ask for a second one." }
                        @if tag.api == Api::Etrnl { " A tag of ETRNL has a number; the XUID is only for this page." }
                    }
                    div.columns {
                        @let [ixkio, etrnl] = &decision.answers;
                        (answer("GET /v1/t", Api::Ixkio, ixkio))
                        (answer("POST /v1/tags/verify-authenticity", Api::Etrnl, etrnl))
                    }
                }
            }
        }
    }
}

/// Says what the link is good for now.
fn fate(decision: &Decision) -> &'static str {
    match &decision.verdict {
        Some(Verdict::Fresh(_)) => "It was good for one use: anyone who opens it now sees that it was used.",
        Some(Verdict::Refused(Refusal::Replayed { .. })) => "Anyone who opens it sees the same: already used.",
        Some(Verdict::Refused(_)) => {
            "Anyone who opens it sees the same: not recognised. The tag itself has lost nothing by it."
        }
        None => "It is not known whether it was used.",
    }
}

fn line(number: usize, check: &Check) -> Markup {
    let sign = check.result.sign();
    html! {
        li class=(sign.class()) {
            (sign.draw())
            strong { (number) ". " (check.name) " " span.hidden { (check.result.word()) } }
            p { (check.text) }
        }
    }
}

fn service(api: Api) -> &'static str {
    if api == Api::Ixkio { "ixkio" } else { "ETRNL" }
}

/// Shows an answer with one field per line. The fields that say the verdict are marked.
fn answer(request: &str, api: Api, written: &Written) -> Markup {
    let fields = serde_json::from_str::<Fields>(&written.body).map(|fields| fields.0).unwrap_or_default();
    let last = fields.len();
    html! {
        figure.answer {
            figcaption { code { (request) } span.soft { (service(api)) ", status " (written.status) } }
            pre dir="ltr" {
                @if fields.is_empty() { (written.body) } @else {
                    "{\n"
                    @for (index, (name, value)) in (1..).zip(&fields) {
                        "  \"" (name) "\": "
                        @if is_verdict(name, value.get()) { mark { (value.get()) } } @else { (value.get()) }
                        @if index < last { "," }
                        "\n"
                    }
                    "}"
                }
            }
        }
    }
}

fn is_verdict(name: &str, value: &str) -> bool {
    matches!(name, "response" | "error" | "success" | "authentic") || (name == "err" && value != "null")
}

/// The fields of a JSON object, in their order.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
