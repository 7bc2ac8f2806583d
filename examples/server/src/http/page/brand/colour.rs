//! Colours.

use std::fmt;
use std::str::FromStr;

use crate::hex;

/// An opaque colour in sRGB: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    pub(super) const fn new(parts: [u8; 3]) -> Self {
        Self(parts)
    }

    /// Returns the colour of text on this colour: black or white, with a contrast of at least 4.58.
    pub(super) fn ink(self) -> &'static str {
        // At this luminance, black and white have the same contrast: (L + .05) / .05 = 1.05 / (L + .05).
        if self.luminance() > 0.179 { "#000" } else { "#fff" }
    }

    /// Returns the relative luminance, as WCAG 2.2 defines it.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Colour {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('#').and_then(hex::decode);
        digits.map(Self).ok_or("expected # and six hex digits, such as #2449c9")
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_six_digits_are_a_colour() {
        assert_eq!("#2449C9".parse(), Ok(Colour([0x24, 0x49, 0xC9])));
        assert_eq!(Colour([0x24, 0x49, 0xC9]).to_string(), "#2449c9");
        for wrong in ["", "#", "2449c9", "#fff", "#2449c9ff", "#2449cg", "red", "#2449c9;}", "#é449c", " #2449c9"] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_ink_has_contrast_on_each_colour() {
        let mut least = f64::MAX;
        for red in (0..=255).step_by(5) {
            for green in (0..=255).step_by(5) {
                for blue in (0..=255).step_by(5) {
                    let colour = Colour([red, green, blue]);
                    let ink = if colour.ink() == "#000" { 0.0 } else { 1.0 };
                    let (light, dark) = (colour.luminance().max(ink), colour.luminance().min(ink));
                    least = least.min((light + 0.05) / (dark + 0.05));
                }
            }
        }
        assert!(least >= 4.58, "{least}");
    }
}
