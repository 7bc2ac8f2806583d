//! Keys prepared for many taps: the key schedule and the CMAC subkeys are computed once.

use core::fmt;

use zeroize::ZeroizeOnDrop;

use super::plain::{IssuerKey, MasterKey, SdmFileReadKey, SdmMetaReadKey};
use crate::cipher::{Block, Cmac, PiccCipher, PiccWire, Suite, SuiteCmac, padded};
use crate::value::{CounterId, Scheme, Uid};

/// Declares a key that was prepared. It consists of parts that are wiped when dropped.
macro_rules! prepared {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        ///
        /// Wiped when dropped; `Debug` does not show it.
        pub struct $name {
            $($field: $type),*
        }

        impl ZeroizeOnDrop for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

prepared! {
    /// An [`SdmMetaReadKey`] ready to open PICCData.
    PreparedMetaReadKey {
        scheme: Scheme,
        // An NTAG 22x has no PICCData.
        cipher: Option<PiccCipher>,
    }
}

prepared! {
    /// An [`SdmFileReadKey`] ready to derive session keys.
    PreparedFileReadKey {
        scheme: Scheme,
        cmac: SuiteCmac,
    }
}

prepared! {
    /// A [`MasterKey`] ready to derive keys.
    PreparedMasterKey {
        cmac: Cmac,
    }
}

prepared! {
    /// An [`IssuerKey`] ready to derive keys.
    PreparedIssuerKey {
        cmac: Cmac,
    }
}

impl SdmMetaReadKey {
    /// Computes once what opening PICCData needs for each tap.
    #[must_use]
    pub fn prepare(&self, scheme: Scheme) -> PreparedMetaReadKey {
        let cipher = Suite::of(scheme).map(|suite| PiccCipher::new(suite, self.expose_bytes()));
        PreparedMetaReadKey { scheme, cipher }
    }
}

impl SdmFileReadKey {
    /// Computes once what verifying needs for each tap.
    #[must_use]
    pub fn prepare(&self, scheme: Scheme) -> PreparedFileReadKey {
        PreparedFileReadKey { scheme, cmac: SuiteCmac::new(Suite::of_cmac(scheme), self.expose_bytes()) }
    }
}

impl MasterKey {
    /// Computes once what deriving needs for each tag.
    #[must_use]
    pub fn prepare(&self) -> PreparedMasterKey {
        PreparedMasterKey { cmac: Cmac::new(self.expose_bytes()) }
    }
}

impl IssuerKey {
    /// Computes once what deriving needs for each card.
    #[must_use]
    pub fn prepare(&self) -> PreparedIssuerKey {
        PreparedIssuerKey { cmac: Cmac::new(self.expose_bytes()) }
    }
}

impl PreparedMetaReadKey {
    /// The mode that the key was prepared for.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Decrypts a mirrored PICCData; `None` if chips of this mode have none.
    pub(crate) fn decrypt(&self, picc_data: &PiccWire) -> Option<Block> {
        self.cipher.as_ref().map(|cipher| cipher.decrypt(picc_data))
    }
}

impl PreparedFileReadKey {
    /// The mode that the key was prepared for.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name of the counter of a tag with this file-read key, as a keyed pseudonym: a store that holds it needs no UID, and
    /// nobody without the key can tell whose it is.
    ///
    /// **It follows the key.** A tag that is set up again counts from 0; it needs a new file-read key then, gets a new name with
    /// it, and what was made under the old key is not authentic any more. If the key stays, so do the name and the counter that
    /// is remembered under it: the chip is refused until it has caught up, and no old tap lives again. A new name without a new
    /// key can not be had.
    ///
    /// `uid` is what the *verified* tap says: `None` for a tag that mirrors none, whose key must be its own then. The [`Scheme`]
    /// that the key was prepared for is part of the name as well. The name is a CMAC over 16 bytes: `"suntap"`, two zeros, and
    /// `01` and the UID, or eight zeros. It is the same in every release.
    ///
    /// ```
    /// use suntap::{Scheme, SdmFileReadKey, Uid};
    ///
    /// let uid = Uid::from_hex("04DE5F1EACC040").ok();
    /// let (old, new) = (SdmFileReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    /// let (old, new) = (old.prepare(Scheme::Aes), new.prepare(Scheme::Aes));
    /// assert_eq!(old.counter_id(uid), old.counter_id(uid));
    /// assert_ne!(old.counter_id(uid), new.counter_id(uid));
    /// ```
    #[must_use]
    pub fn counter_id(&self, uid: Option<Uid>) -> CounterId {
        // No session vector begins like this, so what a store sees is no key.
        let label = *b"suntap\0\0";
        let tail = uid.map(|uid| [0x01].into_iter().chain(*uid.as_bytes()));
        CounterId::from_bytes(self.one_block(&padded(label.into_iter().chain(tail.into_iter().flatten()))))
    }

    /// The CMAC of one block: the session key of a session vector, for instance.
    pub(crate) fn one_block(&self, message: &Block) -> Block {
        self.cmac.one_block(message)
    }

    /// The CMAC of a message.
    pub(crate) fn cmac(&self, message: impl Iterator<Item = u8>) -> Block {
        self.cmac.of(message)
    }
}

impl PreparedMasterKey {
    pub(crate) fn cmac(&self) -> &Cmac {
        &self.cmac
    }
}

impl PreparedIssuerKey {
    pub(crate) fn cmac(&self) -> &Cmac {
        &self.cmac
    }
}
