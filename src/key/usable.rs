//! Defines traits for the keys that verify taps. Use a plain key (16 bytes) for one tap, and a prepared key (with
//! precomputed values) for many taps.

/// A file-read key: an [`SdmFileReadKey`](crate::SdmFileReadKey), a
/// [`PreparedFileReadKey`](crate::PreparedFileReadKey), or a reference to either. With the feature `ecdsa`, also the
/// public key of a tag that signs its taps, `TagPublicKey`, which takes the place of a file-read key.
///
/// For a single tap, an `SdmFileReadKey` is faster. For two or more taps, a `PreparedFileReadKey` is faster, because it
/// contains precomputed values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a file-read key",
    note = "pass an `SdmFileReadKey`, a `PreparedFileReadKey`, or a reference to one",
    note = "pass a `TagPublicKey` if the tag signs its taps (feature `ecdsa`)"
)]
pub trait FileReadKey: sealed::FileRead {}

impl<K: sealed::FileRead + ?Sized> FileReadKey for K {}

/// A meta-read key: an [`SdmMetaReadKey`](crate::SdmMetaReadKey), a
/// [`PreparedMetaReadKey`](crate::PreparedMetaReadKey), or a reference to either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a meta-read key",
    note = "pass an `SdmMetaReadKey`, a `PreparedMetaReadKey`, or a reference to one"
)]
pub trait MetaReadKey: sealed::MetaRead {}

impl<K: sealed::MetaRead + ?Sized> MetaReadKey for K {}

#[allow(private_bounds, private_interfaces, reason = "other crates cannot call these methods")]
mod sealed {
    use crate::cipher::{Block, Chunk, Cmac, PiccWire, Secret, Suite};
    use crate::key::counter_id::message;
    use crate::key::plain::{SdmFileReadKey, SdmMetaReadKey};
    use crate::key::prepared::{PreparedFileReadKey, PreparedMetaReadKey};
    #[cfg(feature = "ecdsa")]
    use crate::key::public::TagPublicKey;
    use crate::value::{CounterId, Scheme, Uid};

    #[allow(unnameable_types, reason = "this is what seals `FileReadKey`")]
    pub trait FileRead {
        /// Returns `true` if a key of this type can verify the taps of this scheme.
        fn is_for(scheme: Scheme) -> bool {
            !scheme.is_signed()
        }

        /// Returns the key if it is public. Returns `None` if it is an AES key.
        #[cfg(feature = "ecdsa")]
        fn public(&self) -> Option<&TagPublicKey> {
            None
        }

        /// Computes the CMAC of one block under this scheme. Returns `None` if the key was prepared for a different
        /// scheme.
        fn one_block_in(&self, scheme: Scheme, message: &Block) -> Option<Block>;

        /// Computes the CMAC of a message under this scheme. Returns `None` if the key was prepared for a different
        /// scheme.
        fn cmac_in(&self, scheme: Scheme, message: impl Iterator<Item = Chunk>) -> Option<Block>;

        /// Returns the id under which a counter store keeps the counter of the tag with this key and UID.
        fn counter_id(&self, uid: Option<Uid>) -> CounterId;

        /// For AES mode only: returns the session key, the counter id (the key under which a store keeps the counter
        /// of the tag) and the CMAC of `message` under the session key. The session key is the AES-CMAC of the session
        /// vector `vector`. One call computes all values, so that the key schedule of a plain key is computed only
        /// once. Returns `None` if the key was prepared for a different scheme.
        fn aes_session(
            &self,
            scheme: Scheme,
            vector: &Block,
            uid: Option<Uid>,
            message: impl Iterator<Item = Chunk>,
        ) -> Option<(Secret<Block>, CounterId, Block)> {
            let secret = Secret(self.one_block_in(scheme, vector)?);
            let cmac = Suite::Aes.cmac(&secret.0, message);
            Some((secret, self.counter_id(uid), cmac))
        }
    }

    impl FileRead for PreparedFileReadKey {
        fn one_block_in(&self, scheme: Scheme, message: &Block) -> Option<Block> {
            (self.scheme() == scheme).then(|| self.one_block(message))
        }

        fn cmac_in(&self, scheme: Scheme, message: impl Iterator<Item = Chunk>) -> Option<Block> {
            (self.scheme() == scheme).then(|| self.cmac(message))
        }

        fn counter_id(&self, uid: Option<Uid>) -> CounterId {
            self.counter_id(uid)
        }
    }

    impl FileRead for SdmFileReadKey {
        fn one_block_in(&self, scheme: Scheme, message: &Block) -> Option<Block> {
            Some(Suite::of_cmac(scheme).cmac_of_block(self.expose_bytes(), message))
        }

        fn cmac_in(&self, scheme: Scheme, message: impl Iterator<Item = Chunk>) -> Option<Block> {
            Some(Suite::of_cmac(scheme).cmac(self.expose_bytes(), message))
        }

        fn counter_id(&self, uid: Option<Uid>) -> CounterId {
            CounterId::from_bytes(Suite::Aes.cmac_of_block(self.expose_bytes(), &message(uid)))
        }

        fn aes_session(
            &self,
            _: Scheme,
            vector: &Block,
            uid: Option<Uid>,
            input: impl Iterator<Item = Chunk>,
        ) -> Option<(Secret<Block>, CounterId, Block)> {
            let (secret, id, cmac) = Cmac::chained(self.expose_bytes(), [*vector, message(uid)], input);
            Some((Secret(secret), CounterId::from_bytes(id), cmac))
        }
    }

    /// A public key computes no MAC, for any scheme.
    #[cfg(feature = "ecdsa")]
    impl FileRead for TagPublicKey {
        fn is_for(scheme: Scheme) -> bool {
            scheme.is_signed()
        }

        fn public(&self) -> Option<&TagPublicKey> {
            Some(self)
        }

        fn one_block_in(&self, _: Scheme, _: &Block) -> Option<Block> {
            None
        }

        fn cmac_in(&self, _: Scheme, _: impl Iterator<Item = Chunk>) -> Option<Block> {
            None
        }

        fn counter_id(&self, uid: Option<Uid>) -> CounterId {
            self.counter_id(uid)
        }
    }

    impl<K: FileRead + ?Sized> FileRead for &K {
        fn is_for(scheme: Scheme) -> bool {
            K::is_for(scheme)
        }

        #[cfg(feature = "ecdsa")]
        fn public(&self) -> Option<&TagPublicKey> {
            (**self).public()
        }

        fn one_block_in(&self, scheme: Scheme, message: &Block) -> Option<Block> {
            (**self).one_block_in(scheme, message)
        }

        fn cmac_in(&self, scheme: Scheme, message: impl Iterator<Item = Chunk>) -> Option<Block> {
            (**self).cmac_in(scheme, message)
        }

        fn counter_id(&self, uid: Option<Uid>) -> CounterId {
            (**self).counter_id(uid)
        }

        fn aes_session(
            &self,
            scheme: Scheme,
            vector: &Block,
            uid: Option<Uid>,
            message: impl Iterator<Item = Chunk>,
        ) -> Option<(Secret<Block>, CounterId, Block)> {
            (**self).aes_session(scheme, vector, uid, message)
        }
    }

    #[allow(unnameable_types, reason = "this is what seals `MetaReadKey`")]
    pub trait MetaRead {
        /// Decrypts mirrored PICCData under this scheme. Returns `None` if the key was prepared for a different scheme,
        /// or if the scheme has no PICCData.
        fn decrypt_in(&self, scheme: Scheme, picc_data: &PiccWire) -> Option<Block>;

        /// Returns the key if it is plain, or `None` if it is prepared. The caller can compute the AES key schedules of
        /// several plain keys in parallel.
        fn plain(&self) -> Option<&SdmMetaReadKey>;
    }

    impl MetaRead for PreparedMetaReadKey {
        fn decrypt_in(&self, scheme: Scheme, picc_data: &PiccWire) -> Option<Block> {
            if self.scheme() == scheme { self.decrypt(picc_data) } else { None }
        }

        fn plain(&self) -> Option<&SdmMetaReadKey> {
            None
        }
    }

    impl MetaRead for SdmMetaReadKey {
        fn decrypt_in(&self, scheme: Scheme, picc_data: &PiccWire) -> Option<Block> {
            Suite::of_picc_data(scheme).map(|suite| suite.decrypt_picc_data(self.expose_bytes(), picc_data))
        }

        fn plain(&self) -> Option<&SdmMetaReadKey> {
            Some(self)
        }
    }

    impl<K: MetaRead + ?Sized> MetaRead for &K {
        fn decrypt_in(&self, scheme: Scheme, picc_data: &PiccWire) -> Option<Block> {
            (**self).decrypt_in(scheme, picc_data)
        }

        fn plain(&self) -> Option<&SdmMetaReadKey> {
            (**self).plain()
        }
    }
}
