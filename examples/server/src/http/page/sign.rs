//! Drawings: the sign of each verdict, icons and the default logo.

use maud::{Markup, PreEscaped, html};

/// The outline of a seal.
const SEAL: &str = "M80 14A16.5 16.5 0 0 1 105.3 19A16.5 16.5 0 0 1 126.7 33.3A16.5 16.5 0 0 1 141 54.7A16.5 16.5 0 0 1 146 80\
A16.5 16.5 0 0 1 141 105.3A16.5 16.5 0 0 1 126.7 126.7A16.5 16.5 0 0 1 105.3 141A16.5 16.5 0 0 1 80 146\
A16.5 16.5 0 0 1 54.7 141A16.5 16.5 0 0 1 33.3 126.7A16.5 16.5 0 0 1 19 105.3A16.5 16.5 0 0 1 14 80\
A16.5 16.5 0 0 1 19 54.7A16.5 16.5 0 0 1 33.3 33.3A16.5 16.5 0 0 1 54.7 19A16.5 16.5 0 0 1 80 14Z";
const LEFT_HALF: &str = "M80 14L90 40L70 66L91 92L71 118L80 146A16.5 16.5 0 0 1 54.7 141A16.5 16.5 0 0 1 33.3 126.7\
A16.5 16.5 0 0 1 19 105.3A16.5 16.5 0 0 1 14 80A16.5 16.5 0 0 1 19 54.7A16.5 16.5 0 0 1 33.3 33.3\
A16.5 16.5 0 0 1 54.7 19A16.5 16.5 0 0 1 80 14Z";
const RIGHT_HALF: &str = "M80 14L90 40L70 66L91 92L71 118L80 146A16.5 16.5 0 0 0 105.3 141A16.5 16.5 0 0 0 126.7 126.7\
A16.5 16.5 0 0 0 141 105.3A16.5 16.5 0 0 0 146 80A16.5 16.5 0 0 0 141 54.7A16.5 16.5 0 0 0 126.7 33.3\
A16.5 16.5 0 0 0 105.3 19A16.5 16.5 0 0 0 80 14Z";

/// The sign of a verdict or of a check. The outlines differ, so that the signs can be distinguished without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A seal with a tick.
    Genuine,
    /// A seal in two halves.
    Open,
    /// A seal with a closed crack.
    OpenedBefore,
    /// A seal with a question mark.
    SealUnknown,
    /// A disc with a phone and waves.
    OnceMore,
    /// A clock with an arrow back.
    Used,
    /// An octagon with a cross.
    NotRecognised,
    /// A cloud with an exclamation mark.
    NoAnswer,
    /// A closed lock.
    Locked,
    /// An open lock.
    LockOpen,
    /// A dashed circle, for a check that was not reached.
    NotReached,
}

impl Sign {
    /// Returns the class that sets the colours.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Genuine | Self::LockOpen => "is-good",
            Self::Open | Self::OpenedBefore | Self::SealUnknown | Self::Used => "is-warn",
            Self::OnceMore => "is-act",
            Self::NotRecognised => "is-bad",
            Self::NoAnswer | Self::Locked | Self::NotReached => "is-mute",
        }
    }

    /// Draws the sign in the colours of the element around it.
    pub(crate) fn draw(self) -> Markup {
        html! {
            svg.sign viewBox="0 0 160 160" aria-hidden="true" { (self.content()) }
        }
    }

    /// Draws only the content, for an element with the class `sign`.
    pub(crate) fn content(self) -> Markup {
        html! {
            @match self {
                Self::Genuine => { path.fill d=(SEAL) {} path.glyph d="M50 82L71 103L111 60" {} }
                Self::Open => {
                    path.fill transform="translate(2 8) rotate(-8 80 146) scale(.94)" d=(LEFT_HALF) {}
                    path.fill transform="translate(8 8) rotate(8 80 146) scale(.94)" d=(RIGHT_HALF) {}
                }
                Self::OpenedBefore => {
                    path.fill d=(SEAL) {}
                    path.glyph.thin d="M80 10L90 40L70 66L91 92L71 118L80 150" {}
                    path.glyph.thin d="M62 47L102 37M60 83L100 73M62 111L102 101" {}
                }
                Self::SealUnknown => {
                    path.fill d=(SEAL) {}
                    path.glyph d="M62 62A19 19 0 1 1 90 80C83 84 80 87 80 95" {}
                    path.glyph d="M80 116V116.5" {}
                }
                Self::OnceMore => {
                    circle.fill cx="80" cy="80" r="72" {}
                    rect.glyph.thin x="40" y="38" width="42" height="76" rx="9" {}
                    path.glyph.thin d="M57 100H65" {}
                    path.glyph.thin d="M97 62A24 24 0 0 1 97 94M110 50A42 42 0 0 1 110 106" {}
                }
                Self::Used => {
                    path.stroke d="M36 45A56 56 0 1 1 24 84" {}
                    path.stroke d="M33 17V48H64" {}
                    path.stroke d="M80 52V84L102 97" {}
                }
                Self::NotRecognised => {
                    path.fill d="M147.4 107.9L107.9 147.4L52.1 147.4L12.6 107.9L12.6 52.1L52.1 12.6L107.9 12.6L147.4 52.1Z" {}
                    path.glyph d="M54 54L106 106M106 54L54 106" {}
                }
                Self::NoAnswer => {
                    path.fill d="M44 128A32 32 0 0 1 40 64A44 44 0 0 1 124 62A34 34 0 0 1 120 128Z" {}
                    path.glyph d="M80 66V92" {}
                    path.glyph d="M80 111V111.5" {}
                }
                Self::Locked => { (lock("M52 70V48A28 28 0 0 1 108 48V70")) }
                Self::LockOpen => { (lock("M52 70V42A28 28 0 0 1 107 34")) }
                Self::NotReached => {
                    circle.stroke.thin cx="80" cy="80" r="64" stroke-dasharray="6 22" {}
                    path.stroke.thin d="M56 80H104" {}
                }
            }
        }
    }
}

/// Draws a lock with this shackle.
fn lock(shackle: &str) -> Markup {
    html! {
        rect.fill x="28" y="70" width="104" height="78" rx="16" {}
        path.stroke d=(shackle) {}
        path.glyph.thin d="M80 100V118" {}
    }
}

/// Draws a small icon from the content of its SVG, which must be trusted.
pub(crate) fn icon(content: &'static str) -> Markup {
    html! { svg.icon viewBox="0 0 24 24" aria-hidden="true" { (PreEscaped(content)) } }
}

/// Draws a larger picture from the content of its SVG, which must be trusted.
pub(crate) fn drawing(view: &'static str, content: &'static str) -> Markup {
    html! { svg.drawing viewBox=(view) aria-hidden="true" { (PreEscaped(content)) } }
}

/// Draws the logo of a server without one of its own.
pub(super) fn default_logo() -> Markup {
    html! {
        svg.brand-logo viewBox="0 0 28 28" aria-hidden="true" {
            rect width="28" height="28" rx="8" fill="currentColor" {}
            path.on-accent d="M9 12.5A6.5 6.5 0 0 1 15.5 19M9 7A12 12 0 0 1 21 19M9 18.6V19" fill="none" stroke-width="2.8"
                stroke-linecap="round" {}
        }
    }
}
