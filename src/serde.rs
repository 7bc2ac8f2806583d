//! Implements `Serialize` and `Deserialize` (feature `serde`). Most types are serialized as their `Display` text, and
//! deserialized with `FromStr`.
//!
//! Secret keys can be deserialized but not serialized. The errors of this module never contain the text of a key. However, the
//! crate that parses the configuration file may put the key into its own error. For example, the `Display` output of an
//! error of the crate `toml` shows the line with the key. The `message()` of a `toml` error does not show the line.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::kdf::ecode::{ECode, ServerSecret};
#[cfg(feature = "ecdsa")]
use crate::key::TagPublicKey;
use crate::key::{ApplicationKey, IssuerKey, MasterKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::{MAX_TEMPLATE, SdmLayout};
use crate::value::{CounterId, Scheme, SdmReadCtr, Uid, UnixMillis};

/// A visitor that parses text into a `T`.
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    // The methods below are called if the input is a number instead of text. Their default implementations put the
    // number into the error. The number may be a key that was written without quotes, and an error must not contain a
    // key.
    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Err(E::custom(format_args!("expected {} as text", self.0)))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        self.visit_u64(0)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<T, E> {
        self.visit_u64(0)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<T, E> {
        self.visit_u64(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        self.visit_u64(0)
    }
}

macro_rules! from_text {
    ($($name:ty: $expected:literal),* $(,)?) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text($expected, PhantomData))
            }
        }
    )*};
}

from_text! {
    Uid: "a UID of 14 hexadecimal digits",
    CounterId: "a counter id of 32 hexadecimal digits",
    Scheme: "the name of a scheme",
    SdmMetaReadKey: "a key of 32 hexadecimal digits",
    SdmFileReadKey: "a key of 32 hexadecimal digits",
    ApplicationKey: "a key of 32 hexadecimal digits",
    MasterKey: "a key of 32 hexadecimal digits",
    IssuerKey: "a key of 32 hexadecimal digits",
    ServerSecret: "a secret of 32 hexadecimal digits",
    ECode: "an eCode of 26 characters",
}

#[cfg(feature = "ecdsa")]
from_text!(TagPublicKey: "a public key of 66 or 130 hexadecimal digits");

macro_rules! to_text {
    ($($name:ty)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

to_text!(Uid CounterId Scheme);
#[cfg(feature = "ecdsa")]
to_text!(TagPublicKey);

/// Serializes the counter as a number.
impl Serialize for SdmReadCtr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.get())
    }
}

impl<'de> Deserialize<'de> for SdmReadCtr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u32::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| Error::custom("counter must be at most 16777215"))
    }
}

/// Serializes the time as a number: the milliseconds since 1970-01-01T00:00:00Z.
impl Serialize for UnixMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for UnixMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::new)
    }
}

/// Serializes a layout in AES mode as the text of its template, and any other layout as a map `{scheme, template}`.
impl Serialize for SdmLayout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scheme() == Scheme::Aes {
            return serializer.serialize_str(self.template());
        }
        let mut layout = serializer.serialize_struct("SdmLayout", 2)?;
        layout.serialize_field("scheme", &self.scheme())?;
        layout.serialize_field("template", self.template())?;
        layout.end()
    }
}

/// Deserializes a layout from text or from a map `{scheme, template}`. If the input is text, the text is the template
/// of a layout in AES mode. The field `scheme` of the map may also be called `mode`.
///
/// The format must be self-describing, as JSON and TOML are. Binary formats such as postcard can write a layout, but
/// cannot read it.
impl<'de> Deserialize<'de> for SdmLayout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LayoutVisitor)
    }
}

struct LayoutVisitor;

impl<'de> Visitor<'de> for LayoutVisitor {
    type Value = SdmLayout;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL template, or a map of scheme and template")
    }

    fn visit_str<E: Error>(self, template: &str) -> Result<SdmLayout, E> {
        template.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SdmLayout, A::Error> {
        // The map may contain the template before the scheme, but the template can be parsed only after the scheme is
        // known.
        let (mut scheme, mut template): (Option<Scheme>, Option<Template>) = (None, None);
        while let Some(name) = map.next_key()? {
            match name {
                FieldName::Scheme if scheme.is_some() => return Err(Error::duplicate_field("scheme")),
                FieldName::Scheme => scheme = Some(map.next_value()?),
                FieldName::Template if template.is_some() => return Err(Error::duplicate_field("template")),
                FieldName::Template => template = Some(map.next_value()?),
            }
        }
        let Template(template) = template.ok_or_else(|| Error::missing_field("template"))?;
        SdmLayout::new(scheme.unwrap_or(Scheme::Aes), &template).map_err(Error::custom)
    }
}

/// The text of a template. The deserializer keeps this text until it has read the scheme.
struct Template(heapless::String<MAX_TEMPLATE>);

impl FromStr for Template {
    type Err = crate::sun::template::LayoutError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.try_into().map(Self).map_err(|_| Self::Err::TemplateTooLong)
    }
}

from_text!(Template: "a URL template");

/// The name of a field in the map form of a layout.
enum FieldName {
    Scheme,
    Template,
}

impl FromStr for FieldName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "scheme" | "mode" => Ok(Self::Scheme),
            "template" => Ok(Self::Template),
            _ => Err("unknown field, expected `scheme` or `template`"),
        }
    }
}

from_text!(FieldName: "the name of a field");
