//! Whom do we trust?

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::sync::Arc;

/// Why no TLS configuration came about.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The extra CA is not PEM.
    #[error("the extra CA holds no readable PEM certificate")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// The extra CA has no certificate in it.
    #[error("the extra CA holds no certificate")]
    NoCertificate,
    /// A certificate that cannot be a root.
    #[error("a certificate of the extra CA cannot be a root")]
    Root(#[source] rustls::Error),
}

/// Makes aws-lc-rs the process's provider; rustls and reqwest panic without one. Calling it again does no harm.
pub fn install_provider() {
    if aws_lc_rs::default_provider().install_default().is_err() {
        tracing::trace!("a TLS provider was installed already");
    }
}

/// One configuration for every client of the process: the web's roots, and those of `extra_ca_pem`.
///
/// # Errors
///
/// When the extra CA is not a list of PEM root certificates.
pub fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    install_provider();
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_ca_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(TlsError::Pem)?).map_err(TlsError::Root)?;
        }
        if roots.len() == before {
            return Err(TlsError::NoCertificate);
        }
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
