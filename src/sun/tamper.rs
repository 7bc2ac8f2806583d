//! Tag tamper status. Source: NT4H2421Tx §9.3.5, §10.2, §11.9.1.

use core::fmt;

/// The mirrored tamper status: one ASCII character for the past (TTPermStatus) and one for the present (TTCurrStatus).
///
/// A chip writes `C` for closed, `O` for open and `I` if tamper detection is not enabled. After the chip finds the seal
/// open for the first time, TTPermStatus stays `O`.
#[doc(alias = "TTStatus")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TtStatus {
    perm: u8,
    curr: u8,
    authenticated: bool,
}

/// The state of the seal according to a [`TtStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagTamper {
    /// `CC`: the seal was never opened.
    Closed,
    /// `OC`: the seal was opened before and is closed now.
    OpenedNowClosed,
    /// `OO` or `CO`: the seal is open. `CO` counts as open, because the second character says that the seal is open
    /// now.
    Open,
    /// `II`: the chip does not measure the seal.
    NotEnabled,
    /// Any other pair of characters. The meaning of the pair is unknown, so do not treat it as a closed seal.
    Unknown,
}

impl TtStatus {
    pub(crate) fn new(perm: u8, curr: u8, authenticated: bool) -> Self {
        Self { perm, curr, authenticated }
    }

    /// Returns the character of TTPermStatus as the tap contains it.
    #[doc(alias = "TTPermStatus")]
    #[must_use]
    pub fn perm(&self) -> u8 {
        self.perm
    }

    /// Returns the character of TTCurrStatus as the tap contains it.
    #[doc(alias = "TTCurrStatus")]
    #[must_use]
    pub fn curr(&self) -> u8 {
        self.curr
    }

    /// Returns `true` if the MAC covers the status. A plain status outside the MAC window is not authenticated: anybody
    /// can change it.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Returns the state of the seal according to the two characters, even if the status is not authenticated.
    #[must_use]
    pub fn state(&self) -> TagTamper {
        match [self.perm, self.curr] {
            [b'C', b'C'] => TagTamper::Closed,
            [b'O', b'C'] => TagTamper::OpenedNowClosed,
            [b'O' | b'C', b'O'] => TagTamper::Open,
            [b'I', b'I'] => TagTamper::NotEnabled,
            _ => TagTamper::Unknown,
        }
    }

    /// Returns `true` only if the status is authenticated and says that the seal was never opened.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.authenticated && self.state() == TagTamper::Closed
    }
}

impl fmt::Display for TtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [self.perm, self.curr].escape_ascii().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NT4H2421Tx §9.3.5: five pairs of characters have a meaning, and only `CC` means that the seal is intact.
    #[test]
    fn only_an_authenticated_closed_seal_is_intact() {
        let mut known = 0;
        for perm in 0..=u8::MAX {
            for curr in 0..=u8::MAX {
                let status = TtStatus::new(perm, curr, true);
                assert_eq!(status.is_intact(), (perm, curr) == (b'C', b'C'));
                assert!(!TtStatus::new(perm, curr, false).is_intact());
                known += u32::from(status.state() != TagTamper::Unknown);
            }
        }
        assert_eq!(known, 5, "CC OC OO CO II");
    }

    #[test]
    fn display_escapes_bytes_that_are_not_text() {
        use core::fmt::Write;
        struct Line([u8; 16], usize);
        impl Write for Line {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for byte in text.bytes() {
                    self.0[self.1] = byte;
                    self.1 += 1;
                }
                Ok(())
            }
        }
        let mut line = Line([0; 16], 0);
        write!(line, "{} {}", TtStatus::new(b'O', b'C', true), TtStatus::new(0, b'C', true)).unwrap();
        assert_eq!(&line.0[..line.1], br"OC \x00C");
    }
}
