//! HTTPS without a proxy in front: TLS 1.2 and 1.3 with a certificate and a key
//! in PEM files, read once at the start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes connections TLS connections.
pub use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there is no HTTPS. `Display` names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("`server.tls.{key}` names `{}`, which cannot be read: {error}", path.display())]
    Unreadable {
        /// `cert` or `key`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("`server.tls.cert` names `{}`, which has no certificate; it must be a PEM", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key do not go together.
    #[error("`server.tls.cert` and `server.tls.key` cannot be used together: {0}")]
    Unusable(rustls::Error),
}

/// What makes a connection a TLS connection. `cert` holds the certificate and
/// those that lead to its root, in this order.
///
/// # Errors
/// What is wrong with the files.
pub fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |key, path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Unreadable { key, path, error }
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(unreadable("cert", cert))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable("key", key))?;
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
