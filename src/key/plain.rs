//! Keys as they are kept and passed around: one type for each purpose.

/// Declares a 128-bit key type.
macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 16 bytes. Zeroized when dropped; `Debug` does not show it; `==` takes the same time for any two keys.
        #[derive(Clone)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A key from its 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A key from 32 hexadecimal digits of either case, read in constant time.
            ///
            /// # Errors
            /// [`ParseHexError`](crate::ParseHexError) if the length is not 32 or a character is no digit; it holds
            /// nothing of the text.
            pub fn from_hex(text: &str) -> Result<Self, crate::value::ParseHexError> {
                crate::value::hex::decode(text.as_bytes()).map(Self)
            }

            /// The secret bytes, for whoever must write them into a chip. Do not log them.
            #[must_use]
            pub const fn expose_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // All at once, which takes a tenth of the time of byte by byte; the barrier keeps it in.
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

key_type! {
    /// A key from which the keys of many tags are derived. It never goes into a tag.
    MasterKey
}

key_type! {
    /// The key of a Bolt Card issuer: see [`kdf::boltcard`](crate::kdf::boltcard). It never goes into a card.
    IssuerKey
}

key_type! {
    /// A key that a personalisation writes into a chip and no verification needs.
    ApplicationKey
}

key_type! {
    /// The key that encrypts PICCData: the application key named by SDMMetaRead.
    ///
    /// It is needed before the UID is known, so tags share it. Source: NT4H2421Gx §9.3.4, Table 10.
    #[doc(alias = "SDMMetaReadKey")]
    #[doc(alias = "K_SDMMetaRead")]
    SdmMetaReadKey
}

key_type! {
    /// The key at the root of a tag's session keys, and so of SDMMAC and SDMENCFileData: the application key named by
    /// SDMFileRead.
    ///
    /// It may, and should, differ from tag to tag. Source: NT4H2421Gx §9.3.9, Table 11.
    #[doc(alias = "SDMFileReadKey")]
    #[doc(alias = "K_SDMFileRead")]
    #[doc(alias = "SUNCMAC_KEY")]
    SdmFileReadKey
}

impl SdmMetaReadKey {
    /// Every application key of a new chip: 16 zero bytes.
    pub const FACTORY: Self = Self([0; 16]);
}

impl SdmFileReadKey {
    /// Every application key of a new chip: 16 zero bytes.
    pub const FACTORY: Self = Self([0; 16]);
}
