//! Implements the registry and record traits for references and smart pointers.

use super::api_key::ApiKeyName;
use super::record::{ExtendedData, OrganisationId, Record, TagRecord};
use super::registry::{AsyncTagRegistry, TagRef, TagRegistry};

macro_rules! pointed_to {
    ($($(#[$when:meta])? $pointer:ty;)*) => {$(
        $(#[$when])?
        impl<T: TagRegistry + ?Sized> TagRegistry for $pointer {
            type Record = T::Record;
            type Error = T::Error;

            fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> {
                (**self).find(tag)
            }

            fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
                (**self).organisation(key)
            }
        }

        $(#[$when])?
        impl<T: AsyncTagRegistry + ?Sized> AsyncTagRegistry for $pointer {
            type Record = T::Record;
            type Error = T::Error;

            fn find(&self, tag: TagRef<'_>) -> impl Future<Output = Result<Option<Self::Record>, Self::Error>> {
                (**self).find(tag)
            }

            fn organisation(
                &self,
                key: &ApiKeyName,
            ) -> impl Future<Output = Result<Option<OrganisationId>, Self::Error>> {
                (**self).organisation(key)
            }
        }

        $(#[$when])?
        impl<T: TagRecord + ?Sized> TagRecord for $pointer {
            fn record(&self) -> Record<'_> {
                (**self).record()
            }

            fn extended_data(&self, index: usize) -> Option<ExtendedData<'_>> {
                (**self).extended_data(index)
            }
        }
    )*};
}

pointed_to! {
    &T;
    #[cfg(feature = "alloc")] alloc::boxed::Box<T>;
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))] alloc::sync::Arc<T>;
}
