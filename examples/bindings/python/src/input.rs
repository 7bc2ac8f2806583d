//! Reads arguments.

use core::fmt::Display;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyString};
use suntap::{MasterKey, SdmFileReadKey, SdmMetaReadKey, SdmReadCtr, Uid, UnixMillis};
use suntap_bindings::{Code, FileKey};
use zeroize::Zeroizing;

use crate::errors;

/// The 16 bytes of a key of any kind. They are wiped on drop.
pub(crate) struct Key(SdmFileReadKey);

impl Key {
    /// Reads a key from 32 hexadecimal digits or from 16 bytes. `name` is the name of the argument.
    pub(crate) fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let key = if let Ok(text) = value.cast::<PyString>() {
            // Text with lone surrogates is not a key. Its error would show the text.
            text.to_str().ok().and_then(|text| SdmFileReadKey::from_hex(text).ok())
        } else if let Ok(bytes) = value.cast::<PyBytes>() {
            SdmFileReadKey::try_from(bytes.as_bytes()).ok()
        } else if let Ok(bytes) = value.cast::<PyByteArray>() {
            SdmFileReadKey::try_from(Zeroizing::new(bytes.to_vec()).as_slice()).ok()
        } else {
            let kind = value.get_type().name()?;
            return Err(PyTypeError::new_err(format!("{name} must be str, bytes or bytearray, not {kind}")));
        };
        let invalid = || errors::new(value.py(), Code::InvalidKey, &format!("{name}: {}", Code::InvalidKey.text()));
        key.map(Self).ok_or_else(invalid)
    }

    pub(crate) fn bytes(&self) -> &[u8; 16] {
        self.0.expose_bytes()
    }

    pub(crate) fn into_meta(self) -> SdmMetaReadKey {
        SdmMetaReadKey::from_bytes(*self.bytes())
    }
}

/// Reads the SDMMetaReadKey.
pub(crate) fn meta_key(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<SdmMetaReadKey>> {
    value.map(|value| Key::read("meta_read_key", value).map(Key::into_meta)).transpose()
}

/// Reads the source of the file-read keys.
pub(crate) fn file_key(
    py: Python<'_>,
    file_read_key: Option<&Bound<'_, PyAny>>,
    master_key: Option<&Bound<'_, PyAny>>,
    suffix: Option<&[u8]>,
    epoch: Option<&Bound<'_, PyInt>>,
) -> PyResult<FileKey> {
    let suffix = suffix.unwrap_or_default();
    let epoch = epoch.map_or(Ok(0), |epoch| whole("epoch", epoch, u32::MAX))?;
    let invalid = |message| errors::new(py, Code::InvalidArgument, message);
    match (file_read_key, master_key) {
        (Some(_), Some(_)) => Err(invalid("give file_read_key or master_key, not both")),
        (None, None) => Err(invalid("file_read_key or master_key is missing")),
        (Some(_), None) if !suffix.is_empty() || epoch != 0 => {
            Err(invalid("suffix and epoch need master_key, because file_read_key is used as it is"))
        }
        (Some(key), None) => Ok(FileKey::Same(Key::read("file_read_key", key)?.0)),
        (None, Some(key)) => {
            let master = MasterKey::from_bytes(*Key::read("master_key", key)?.bytes());
            FileKey::derived(master, suffix, epoch).map_err(|failure| errors::from_failure(py, &failure))
        }
    }
}

/// Reads a UID from 14 hexadecimal digits.
pub(crate) fn uid(py: Python<'_>, text: &str) -> PyResult<Uid> {
    Uid::from_hex(text).map_err(|_| errors::new(py, Code::InvalidArgument, "uid: a UID has 14 hexadecimal digits"))
}

/// Reads a whole number from 0 to `greatest`, which is less than or equal to the maximum of `T`.
pub(crate) fn whole<T>(name: &str, value: &Bound<'_, PyInt>, greatest: T) -> PyResult<T>
where
    T: for<'a, 'py> FromPyObject<'a, 'py> + Copy + Display + PartialOrd,
{
    let number = value.extract().ok().filter(|number| *number <= greatest);
    let invalid = || format!("{name} must be a whole number from 0 to {greatest}");
    number.ok_or_else(|| errors::new(value.py(), Code::InvalidArgument, &invalid()))
}

/// Reads a counter.
pub(crate) fn ctr(value: &Bound<'_, PyInt>) -> PyResult<SdmReadCtr> {
    whole("ctr", value, SdmReadCtr::MAX.get()).map(|ctr| SdmReadCtr::new(ctr).unwrap_or(SdmReadCtr::MAX))
}

/// Reads the time of a tap.
pub(crate) fn time(value: Option<&Bound<'_, PyInt>>) -> PyResult<Option<UnixMillis>> {
    value.map(|value| whole("at", value, u64::MAX).map(UnixMillis::new)).transpose()
}

/// Reads a URL. Lone surrogates become `U+FFFD`, which no template contains, so that such a URL is malformed.
pub(crate) fn url(value: &Bound<'_, PyString>) -> String {
    value.to_string_lossy().into_owned()
}
