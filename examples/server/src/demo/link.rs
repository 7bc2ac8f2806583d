//! The link that a tag wrote, and what each of its parameters means.

use maud::{Markup, html};
use suntap::platform::TapValues;

use super::tags::TagOfDemo;

/// A link as it was sent to the server.
#[derive(Clone)]
pub(super) struct Link {
    /// The URL that the tag wrote.
    written: String,
    /// The URL that was sent. Its last digit differs from that of the tag, if somebody has changed it.
    pub(super) sent: String,
}

impl Link {
    pub(super) fn new(url: String) -> Self {
        Self { written: url.clone(), sent: url }
    }

    /// Returns the same link with another last digit, which is a digit of the MAC.
    pub(super) fn changed(&self) -> Self {
        let mut sent = self.written.clone();
        let last = sent.pop().and_then(|digit| digit.to_digit(16)).unwrap_or_default();
        let other = char::from_digit(last.wrapping_add(1) % 16, 16).unwrap_or('0');
        sent.push(other.to_ascii_uppercase());
        Self { sent, ..self.clone() }
    }

    pub(super) fn is_changed(&self) -> bool {
        self.written != self.sent
    }
}

/// What a parameter of a link is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Tag,
    ECode,
    Counter,
    PiccData,
    Mac,
    SealAndMac,
}

impl Role {
    fn has_mac(self) -> bool {
        matches!(self, Self::Mac | Self::SealAndMac)
    }

    /// Returns the class that sets the colour of the parameter.
    fn class(self, link: &Link) -> &'static str {
        match self {
            Self::Tag => "is-act",
            Self::ECode => "is-mute",
            Self::Counter | Self::PiccData => "is-warn",
            Self::Mac | Self::SealAndMac if link.is_changed() => "is-bad",
            Self::Mac | Self::SealAndMac => "is-good",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Tag => "Which tag. Fixed text, written once.",
            Self::ECode => "A code that opens this tag’s stored keys. Fixed text.",
            Self::Counter => "Counter: how often the tag was tapped, in hex digits. New with each tap.",
            Self::PiccData => "Chip number (UID) and counter, encrypted. New with each tap.",
            Self::Mac => {
                "The proof (MAC), made with the tag’s secret key for this chip number and counter. Its window in the link is empty."
            }
            Self::SealAndMac => {
                "State of the seal, encrypted (32 digits): the window that the proof covers. Then the proof (MAC, 16 digits), made with \
                 the tag’s secret key for this chip number and counter."
            }
        }
    }

    /// Returns what the server decrypted. Only a verified tap has such values.
    fn decrypted(self, values: &TapValues) -> Option<String> {
        match self {
            Self::PiccData => {
                let uid = values.uid.map(|uid| uid.to_string()).unwrap_or_default();
                Some(format!("Decrypted: chip {uid}, counter {}.", values.ctr.get()))
            }
            Self::SealAndMac => {
                let status = values.tamper?;
                Some(format!("Decrypted: {status}, so the seal was {}.", seal(status)))
            }
            _ => None,
        }
    }
}

fn seal(status: suntap::TtStatus) -> &'static str {
    use suntap::TagTamper;

    match status.state() {
        TagTamper::Closed => "never opened",
        TagTamper::OpenedNowClosed => "opened before and is closed now",
        TagTamper::Open => "opened and is open now",
        TagTamper::NotEnabled | TagTamper::Unknown => "not measured",
    }
}

/// Shows the URL with its parameters underlined.
pub(super) fn annotated(tag: &TagOfDemo, link: &Link) -> Markup {
    let (path, query) = link.sent.split_once('?').unwrap_or((&link.sent, ""));
    let pairs = query.split('&').zip(tag.parts).enumerate();
    html! {
        p.url dir="ltr" {
            code {
                (path)
                @for (index, (pair, (_, role))) in pairs {
                    wbr;
                    @if index == 0 { "?" } @else { "&" }
                    span class={ "part " (role.class(link)) } { (pair) }
                }
            }
        }
    }
}

/// Explains each parameter.
pub(super) fn legend(tag: &TagOfDemo, link: &Link, values: Option<&TapValues>) -> Markup {
    html! {
        dl.legend {
            @for (name, role) in tag.parts {
                div class=(role.class(link)) {
                    dt { (name) }
                    dd {
                        (role.text())
                        @if role.has_mac() && link.is_changed() { " Its last digit was changed." }
                        @if let Some(decrypted) = values.and_then(|values| role.decrypted(values)) { " " (decrypted) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_digit_is_always_another_one() {
        for digit in "0123456789ABCDEF".chars() {
            let link = Link::new(format!("https://t.example/tap?e=00{digit}"));
            let changed = link.changed();
            assert!(changed.is_changed() && !link.is_changed());
            assert_eq!(changed.sent.len(), link.sent.len());
            // The change of a changed link is not the link of the tag.
            assert!(changed.changed().is_changed());
            assert!(changed.sent.ends_with(|c: char| c.is_ascii_digit() || ('A'..='F').contains(&c)));
        }
    }
}
