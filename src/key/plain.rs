//! Defines the plain key types, which callers store and pass. There is one type for each purpose.

/// Declares a 128-bit key type.
macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// The key is 16 bytes long and is wiped on drop. `Debug` does not show the key. `==` compares keys in constant
        /// time. With the feature `serde`, the key can be deserialized from text but not serialized. Only
        /// `expose_bytes` returns the raw bytes.
        #[derive(Clone)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Creates a key from its 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Reads a key from 32 hexadecimal digits in upper or lower case, in constant time.
            ///
            /// # Errors
            /// Returns [`ParseError`](crate::ParseError) if the length is not 32 or a character is not a hexadecimal
            /// digit. The error contains no part of the text.
            pub fn from_hex(text: &str) -> Result<Self, crate::value::ParseError> {
                crate::value::hex::decode(text.as_bytes()).map(Self)
            }

            /// Returns the secret bytes, for example to write them to a chip. Do not log the bytes.
            #[must_use]
            pub const fn expose_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = core::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // One assignment is ten times as fast as wiping each byte separately. The barrier keeps the compiler
                // from removing the assignment.
                self.0 = [0; 16];
                zeroize::optimization_barrier(&self.0);
            }
        }

        impl zeroize::ZeroizeOnDrop for $name {}

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
            }
        }

        impl Eq for $name {}
    };
}
pub(crate) use key_type;

/// Implements `FromStr` for a key type. The text form of the key is hexadecimal.
macro_rules! hex_key {
    ($name:ident) => {
        impl core::str::FromStr for $name {
            type Err = crate::value::ParseError;

            /// Reads a key like `from_hex`.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::from_hex(text)
            }
        }
    };
}
pub(crate) use hex_key;

hex_key!(ApplicationKey);
hex_key!(SdmFileReadKey);
hex_key!(SdmMetaReadKey);

key_type! {
    /// An application key that is written to a chip when the chip is personalised. Verification does not use this type.
    ApplicationKey
}

key_type! {
    /// The key that encrypts PICCData. The chip's setting SDMMetaRead selects one of the chip's application keys as
    /// this key.
    ///
    /// The verifier needs this key to decrypt the UID, so the key usually cannot depend on the UID. Many tags therefore
    /// share one key. Source: NT4H2421Gx §9.3.4, Table 10.
    #[doc(alias = "SDMMetaReadKey")]
    #[doc(alias = "K_SDMMetaRead")]
    SdmMetaReadKey
}

key_type! {
    /// The key from which a tag's session keys for SDMMAC and SDMENCFileData are derived. The chip's setting
    /// SDMFileRead selects one of the chip's application keys as this key.
    ///
    /// This key can and should be different for each tag. Source: NT4H2421Gx §9.3.9, Table 11.
    #[doc(alias = "SDMFileReadKey")]
    #[doc(alias = "K_SDMFileRead")]
    #[doc(alias = "SUNCMAC_KEY")]
    SdmFileReadKey
}

impl SdmMetaReadKey {
    /// The value of all application keys of a new chip: 16 zero bytes.
    pub const FACTORY: Self = Self([0; 16]);
}

impl SdmFileReadKey {
    /// The value of all application keys of a new chip: 16 zero bytes.
    pub const FACTORY: Self = Self([0; 16]);
}
