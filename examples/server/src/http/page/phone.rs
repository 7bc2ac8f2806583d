//! The page that a phone shows after it has read a tag.

use maud::{Markup, html};
use suntap::UnixMillis;

use super::Brand;
use super::frame::{document, utc, utc_time};
use super::sign::{Sign, drawing};
use super::told::{Product, Seal, Told};

/// Where a page was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    /// The host in the address line of the visitor.
    pub(crate) host: Option<&'a str>,
    /// The path of the demo, to which the page leads back.
    pub(crate) demo: Option<&'a str>,
}

/// A phone and a tag.
const HOW: &str = "<rect class=\"pale\" x=\"28\" y=\"38\" width=\"32\" height=\"54\" rx=\"6\"/><path d=\"M40 86H48\"/>\
<path d=\"M37 31A12 12 0 0 1 51 31M31 25A20 20 0 0 1 57 25\"/><ellipse class=\"pale\" cx=\"44\" cy=\"10\" rx=\"16\" ry=\"7\"/>\
<circle class=\"solid\" cx=\"44\" cy=\"10\" r=\"2\"/>";

/// Returns the page. `at` is the time of the check.
pub(crate) fn page(brand: &Brand, told: &Told, at: Option<UnixMillis>, place: Place<'_>) -> Markup {
    let Copy { sign, title, text } = Copy::new(told);
    let content = html! {
        @match told {
            Told::Genuine(product, seal) => (genuine(product, *seal, at)),
            Told::TapOnceMore { name, until } => {
                (how())
                dl.facts {
                    @if !name.is_empty() { (fact("Link of", &html! { bdi { (name) } })) }
                    @if let Some(until) = utc_time(*until) { (fact("Finish before", &until)) }
                    @if let Some(time) = utc(at) { (fact("First tap", &time)) }
                }
            }
            Told::SeenBefore { name } => {
                (how())
                p.small.soft {
                    "A reload or a link from somebody else leads here too. But if you see this page again straight after a tap, "
                    "the tag may be a copy."
                }
                dl.facts {
                    @if !name.is_empty() { (fact("Link of", &html! { bdi { (name) } })) }
                    (checked(at))
                }
            }
            Told::NotRecognised => {
                (how())
                p.small.soft { "We cannot confirm this tag. If in doubt, ask the seller or the brand." }
                dl.facts { (checked(at)) }
            }
            Told::NotNow => {
                (how())
                p.small.soft { "The service did not answer. That says nothing about the product." }
                dl.facts { (checked(at)) }
            }
        }
    };
    let steps = html! {
        @if let Told::TapOnceMore { .. } = told { p.steps { i.done {} i {} span.nowrap { "1 of 2 taps" } } }
    };
    sheet(brand, sign, (title, text), &steps, &content, place)
}

/// Returns a page for a phone: a sign, a title and its text, steps under them, and the content.
pub(crate) fn sheet(
    brand: &Brand,
    sign: Sign,
    (title, text): (&str, &str),
    steps: &Markup,
    content: &Markup,
    place: Place<'_>,
) -> Markup {
    let body = html! {
        header.brand { (brand.mark()) }
        main.tap {
            div class={ "verdict " (sign.class()) } role="status" {
                (sign.draw())
                h1.verdict-title { (title) }
                p.verdict-text { (text) }
                (steps)
            }
            div.tap-body { (content) }
        }
        @if place.host.is_some() || place.demo.is_some() {
            footer.tap-foot {
                @if let Some(host) = place.host { span { "Checked at " bdi { (host) } } }
                @if let Some(path) = place.demo { a href=(path) { "Back to the demo" } }
            }
        }
    };
    document(brand.look(), title, Some("tap-page"), &body)
}

/// The sign and the main texts of a page.
struct Copy {
    sign: Sign,
    title: &'static str,
    text: &'static str,
}

impl Copy {
    fn new(told: &Told) -> Self {
        let (sign, title, text) = match told {
            Told::Genuine(_, Seal::None | Seal::Closed) => {
                (Sign::Genuine, "Genuine", "This tag is the original: check that it matches the product in your hand.")
            }
            Told::Genuine(_, Seal::Open) => (
                Sign::Open,
                "Genuine, but opened",
                "The seal is open: if it was not you who opened it, do not accept the product as new.",
            ),
            Told::Genuine(_, Seal::OpenedBefore) => (
                Sign::OpenedBefore,
                "Genuine, but opened before",
                "The seal was opened once and closed again: if it was not you, do not accept the product as new.",
            ),
            Told::Genuine(_, Seal::Unknown) => (
                Sign::SealUnknown,
                "Genuine, seal unknown",
                "The tag cannot say whether its seal was opened: check the seal before you accept the product as new.",
            ),
            Told::TapOnceMore { .. } => (
                Sign::OnceMore,
                "Tap once more",
                "Hold your phone to the same tag again within one minute to finish the check.",
            ),
            Told::SeenBefore { .. } => {
                (Sign::Used, "Link already used", "Hold your phone to the tag again to get a new link.")
            }
            Told::NotRecognised => (
                Sign::NotRecognised,
                "Not recognised",
                "Tap the tag once more: if this page comes again, do not rely on the product.",
            ),
            Told::NotNow => (Sign::NoAnswer, "No answer right now", "Wait a moment, then tap the tag again."),
        };
        Self { sign, title, text }
    }
}

fn genuine(product: &Product, seal: Seal, at: Option<UnixMillis>) -> Markup {
    html! {
        @if !product.name.is_empty() { section.product { div { h2 { bdi { (product.name) } } } } }
        dl.facts {
            @if let Some(seal) = seal.text() { (fact("Seal", &html! { (seal) })) }
            (checked(at))
            @if let Some(serial) = &product.serial { (fact("Serial", &html! { bdi { (serial) } })) }
            (fact("Tap number", &html! { span.number { (product.taps) } }))
        }
    }
}

/// Returns one fact of a list.
pub(crate) fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn checked(at: Option<UnixMillis>) -> Markup {
    html! { @if let Some(time) = utc(at) { (fact("Checked", &time)) } }
}

/// Says how to hold a phone to a tag.
pub(crate) fn how() -> Markup {
    html! {
        p.how {
            (drawing("22 0 44 96", HOW))
            span {
                strong { "iPhone:" } " hold its top edge to the tag." br;
                strong { "Android:" } " hold the middle of its back to the tag."
            }
        }
    }
}
