//! Defines identifiers of 16 opaque bytes.

/// Declares a type for an identifier that is compared and stored, but never interpreted. The caller of the macro
/// documents `from_bytes`, because the bytes of each type come from a different source.
macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $(#[$from:meta])* from_bytes) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            $(#[$from])*
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = core::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::ParseError;

            /// Reads the 32 hexadecimal digits that `Display` writes. The digits may be upper case or lower case.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::value::hex::decode(text.as_bytes()).map(Self)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{:032X}", u128::from_be_bytes(self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:032X})"), u128::from_be_bytes(self.0))
            }
        }
    };
}

pub(crate) use opaque_id;
