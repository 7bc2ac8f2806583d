//! The brand of the server: its name, logo and accent colour.

mod colour;
mod logo;

use axum::http::HeaderValue;
use base64ct::Encoding as _;
use maud::{Markup, html};
use sha2::Digest as _;

pub use self::colour::Colour;
pub use self::logo::Logo;
use super::sign;
use crate::import::check::check_text;

/// The style of all pages.
const STYLE: &str = include_str!("../style.css");
/// What the pages of the operator need besides. The phone's page does not carry it.
const OPERATOR_STYLE: &str = include_str!("../operator.css");

/// The brand of the server, which each page shows. It is never the brand of the organisation that owns a tag: that would show to whom an
/// inactive tag belongs.
#[derive(Debug)]
pub struct Brand {
    name: String,
    logo: Option<Logo>,
    look: Look,
    operator_look: Look,
}

/// A style, and the policy that allows it.
#[derive(Debug)]
pub(crate) struct Look {
    /// The accent colour, and the style of the pages.
    pub(super) style: String,
    pub(super) policy: HeaderValue,
}

impl Brand {
    /// The name of a server without a brand of its own.
    pub const NAME: &str = "suntap";
    /// The default accent colour.
    pub const ACCENT: Colour = Colour::new([0x24, 0x49, 0xC9]);
    /// The default accent colour on a dark ground.
    pub const ACCENT_DARK: Colour = Colour::new([0x9D, 0xB4, 0xFF]);

    /// Creates a brand. `dark` is the accent colour on a dark ground.
    ///
    /// # Errors
    /// Returns an error if the name is empty, is longer than 128 characters, or has hidden characters.
    pub fn new(name: &str, logo: Option<Logo>, light: Colour, dark: Colour) -> anyhow::Result<Self> {
        check_text("a brand name", name, 1).map_err(anyhow::Error::msg)?;
        Ok(Self::build(name, logo, light, dark))
    }

    fn build(name: &str, logo: Option<Logo>, light: Colour, dark: Colour) -> Self {
        let (light_ink, dark_ink) = (light.ink(), dark.ink());
        let accent = format!(
            ":root {{ --accent: {light}; --accent-ink: {light_ink}; }}\n\
             @media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; --accent-ink: {dark_ink}; }} }}"
        );
        let style = format!("{accent}\n{}", without_comments(STYLE));
        let operator_style = format!("{style}\n{}", without_comments(OPERATOR_STYLE));
        let has_logo = logo.is_some();
        Self {
            name: name.into(),
            logo,
            look: Look::new(style, has_logo),
            operator_look: Look::new(operator_style, has_logo),
        }
    }

    /// Returns the look of the pages for people.
    pub(super) fn look(&self) -> &Look {
        &self.look
    }

    /// Returns the look of the pages for the operator.
    pub(crate) fn operator_look(&self) -> &Look {
        &self.operator_look
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the logo and the name, for the top of a page.
    pub(super) fn mark(&self) -> Markup {
        html! {
            @match &self.logo {
                Some(logo) => img.brand-picture src=(logo.uri()) alt="";,
                None => (sign::default_logo()),
            }
            span { bdi { (self.name) } }
        }
    }
}

impl Look {
    fn new(style: String, has_logo: bool) -> Self {
        let hash = base64ct::Base64::encode_string(&sha2::Sha256::digest(&style));
        // A logo is part of the page, so nothing is loaded for it either.
        let images = if has_logo { "img-src data:; " } else { "" };
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; {images}form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        // The policy has only visible ASCII characters.
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { style, policy }
    }
}

/// Returns a style without comments and indentation, which each page would carry. No text in the style has `/*`.
fn without_comments(style: &str) -> String {
    let mut rest = style;
    let mut kept = String::with_capacity(style.len());
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

impl Default for Brand {
    fn default() -> Self {
        Self::build(Self::NAME, None, Self::ACCENT, Self::ACCENT_DARK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_written_style_and_nothing_else() {
        let colour = |text: &str| text.parse::<Colour>().unwrap();
        let brand = Brand::new("Acme", None, colour("#FFCC00"), colour("#003300")).unwrap();
        for Look { style, policy } in [brand.look(), brand.operator_look()] {
            let hash = base64ct::Base64::encode_string(&sha2::Sha256::digest(style));
            let policy = policy.to_str().unwrap();
            assert!(policy.contains(&hash) && !policy.contains("data:") && !policy.contains("unsafe"), "{policy}");
            assert!(style.starts_with(":root { --accent: #ffcc00; --accent-ink: #000; }\n"));
            assert!(style.contains("{ --accent: #003300; --accent-ink: #fff; }"));
            // A style element ends at the first `</`.
            assert!(!style.contains('<'));
        }
        for name in ["", " ", "a\u{202e}b", &"x".repeat(129)] {
            assert!(Brand::new(name, None, Brand::ACCENT, Brand::ACCENT_DARK).is_err(), "{name}");
        }
    }

    /// The accent fills buttons and marks the current item. A verdict has the colours of its state.
    #[test]
    fn the_accent_colours_no_verdict() {
        for line in STYLE.lines().chain(OPERATOR_STYLE.lines()).filter(|line| line.contains("var(--accent")) {
            let selector = line.split('{').next().unwrap().trim();
            let known = [
                ".brand-logo",
                ".brand-logo .on-accent",
                ".button.primary",
                ".hero .wave",
                ".tag[aria-current]",
                ".top nav [aria-current]",
            ];
            assert!(known.contains(&selector), "{line}");
        }
    }
}
