//! The codes of the results, with their names and texts.

/// Declares the codes. The number, the name and the text of each code stand in one line.
macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $text:literal;)*) => {
        /// The result of a call, the same in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: ", $text, ".")] $variant = $number,)*
        }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the number of the code. 0 is success.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// Returns the name of the code, which does not change between versions.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns what the code means, as one clause without a period.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    Fresh = 0, "fresh", "the tap is genuine and new";
    Malformed = 1, "malformed", "the URL does not match the template";
    NotAuthentic = 2, "not_authentic", "the tap is forged or changed, or the keys or the template do not match the tag";
    NoCounter = 3, "no_counter", "the tap is genuine but has no counter, so it may be a replay";
    Replayed = 4, "replayed", "the tap is genuine, but it or a newer tap of its tag was already accepted";
    StoreFailed = 5, "store_failed", "the counter store failed, so the tap is refused";
    InvalidTemplate = 6, "invalid_template", "the template of the URL breaks a rule";
    InvalidKey = 7, "invalid_key", "a key does not have 16 bytes, or its text does not have 32 hexadecimal digits";
    InvalidSettings = 8, "invalid_settings", "the template and the keys do not fit together";
    InvalidArgument = 9, "invalid_argument", "an argument is missing, has an invalid value, or overlaps another one";
}
