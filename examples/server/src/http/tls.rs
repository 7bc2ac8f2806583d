//! TLS of a listener.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, ensure};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::secrets::readable_by_others;

/// A certificate with its private key, from two files that can be read again.
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Identity {
    /// Reads the certificate, followed by those of the authorities between it and a trusted one, and the private key. Both are PEM.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if the key is not that of the certificate.
    pub fn read(certificate: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let config = RwLock::new(Arc::new(config(&certificate, &key)?));
        Ok(Self { certificate, key, config })
    }

    /// Reads both files again. New connections use what they have now.
    ///
    /// # Errors
    /// As [`read`](Self::read). The old certificate stays in use then.
    pub fn reload(&self) -> anyhow::Result<()> {
        let config = Arc::new(config(&self.certificate, &self.key)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Returns a warning if other users can read the private key.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let key = self.key.display();
        readable_by_others(&self.key).then(|| format!("private key {key} can be read by other users: run chmod 600"))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn config(certificate: &PathBuf, key: &PathBuf) -> anyhow::Result<ServerConfig> {
    let file = || format!("certificate {}", certificate.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.with_context(file)?;
    ensure!(!chain.is_empty(), "{}: no certificate in PEM", file());
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| format!("private key {}", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
    let config = config.with_single_cert(chain, private);
    let mut config = config.with_context(|| format!("{} and private key {}", file(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {}", self.certificate.display())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
