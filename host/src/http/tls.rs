//! HTTPS without a reverse proxy: TLS 1.2 and 1.3 with a certificate and a key from PEM files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Accepts TLS connections.
pub use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::files::read_regular;

/// Size of a file. A chain with ten certificates has some 20 KB.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The certificate with which new connections are accepted. Clones share it.
#[derive(Clone)]
pub struct LiveTls(Arc<RwLock<TlsAcceptor>>);

impl LiveTls {
    /// Reads a certificate and its key. `cert` holds the server's certificate followed by its chain up to the root.
    ///
    /// # Errors
    /// A file is unreadable or unusable.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(acceptor(cert, key)?))))
    }

    /// Takes over the certificate of another one. Open connections keep theirs.
    pub fn replace(&self, other: &Self) {
        let next = other.current();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    pub(super) fn current(&self) -> TlsAcceptor {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

/// An error that prevents HTTPS. `Display` names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not in PEM format.
    #[error("`server.tls.{key}` names `{}`, which cannot be read: {error}", path.display())]
    Unreadable {
        /// The configuration key: `cert` or `key`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        error: pem::Error,
    },
    /// The certificate file contains no certificate.
    #[error("`server.tls.cert` names `{}`, which has no certificate; it must be a PEM", .0.display())]
    NoCertificate(PathBuf),
    /// The certificate and the key do not match, or rustls does not support them.
    #[error("`server.tls.cert` and `server.tls.key` cannot be used together: {0}")]
    Unusable(rustls::Error),
}

/// Returns a TLS acceptor. `cert` holds the server's certificate followed by its chain up to the root.
///
/// # Errors
/// A file is unreadable or unusable.
pub fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |key, path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Unreadable { key, path, error }
    };
    let pem = read_regular(cert, MAX_FILE_BYTES).map_err(pem::Error::Io);
    let pem = pem.map_err(unreadable("cert", cert))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(unreadable("cert", cert))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let pem = read_regular(key, MAX_FILE_BYTES).map_err(pem::Error::Io);
    let pem = pem.map_err(unreadable("key", key))?;
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(unreadable("key", key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, private)
        })
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
