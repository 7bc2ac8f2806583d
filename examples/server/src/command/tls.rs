//! The options of TLS, which the server speaks itself if it has a certificate.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use suntap_server::http::Identity;

#[derive(clap::Args)]
#[allow(clippy::struct_field_names, reason = "the names are those of the flags")]
pub(crate) struct TlsArgs {
    /// The certificate of the server in PEM, followed by those of the authorities in between. With --tls-key, the server speaks HTTPS,
    /// also at an address of --admin-listen. --ops-listen stays HTTP.
    #[arg(long, env = "SUNTAP_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate in PEM. Only its owner should be able to read it.
    #[arg(long, env = "SUNTAP_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Another certificate for the address of --admin-listen.
    #[arg(long, env = "SUNTAP_ADMIN_TLS_CERT")]
    admin_tls_cert: Option<PathBuf>,
    /// The private key of the other certificate.
    #[arg(long, env = "SUNTAP_ADMIN_TLS_KEY")]
    admin_tls_key: Option<PathBuf>,
}

/// The certificates of the listeners, which may be the same.
pub(crate) struct Identities {
    pub(crate) main: Option<Arc<Identity>>,
    pub(crate) admin: Option<Arc<Identity>>,
}

impl TlsArgs {
    /// Reads the certificates and keys.
    pub(crate) fn read(&self) -> anyhow::Result<Identities> {
        let main = identity(self.tls_cert.as_ref(), self.tls_key.as_ref(), ["--tls-cert", "--tls-key"])?;
        let flags = ["--admin-tls-cert", "--admin-tls-key"];
        let admin = identity(self.admin_tls_cert.as_ref(), self.admin_tls_key.as_ref(), flags)?;
        Ok(Identities { admin: admin.or_else(|| main.clone()), main })
    }
}

fn identity(
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    [certificate_flag, key_flag]: [&str; 2],
) -> anyhow::Result<Option<Arc<Identity>>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(_), None) => bail!("{certificate_flag} needs {key_flag}"),
        (None, Some(_)) => bail!("{key_flag} needs {certificate_flag}"),
        (Some(certificate), Some(key)) => {
            let identity = Identity::read(certificate.clone(), key.clone()).context(certificate_flag.to_owned())?;
            Ok(Some(Arc::new(identity)))
        }
    }
}

impl Identities {
    /// Returns each certificate once.
    pub(crate) fn all(&self) -> Vec<Arc<Identity>> {
        let admin = self.admin.iter().filter(|admin| self.main.as_ref().is_none_or(|main| !Arc::ptr_eq(main, admin)));
        self.main.iter().chain(admin).cloned().collect()
    }

    /// Returns a warning for each private key that other users can read.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.all().iter().filter_map(|identity| identity.warning()).collect()
    }
}
