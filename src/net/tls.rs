//! Whom do we trust? One cryptography provider and one client configuration for all connections.

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, pem, pem::PemObject};
use std::sync::Arc;

/// Why there is no configuration.
#[expect(clippy::module_name_repetitions, reason = "it travels up to where `Error` alone would say nothing")]
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text is not PEM.
    #[error("the extra certificates are not PEM: {0}")]
    Pem(pem::Error),
    /// PEM without a certificate in it; probably the wrong file.
    #[error("the extra certificates hold no certificate")]
    Empty,
    /// A certificate that cannot be an authority.
    #[error("an extra certificate is unusable: {0}")]
    Certificate(#[source] rustls::Error),
}

/// Makes aws-lc-rs the provider of this process. Does nothing when there is one.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none()
        && rustls::crypto::aws_lc_rs::default_provider().install_default().is_err()
    {
        tracing::debug!("another thread has installed the cryptography provider");
    }
}

/// Trusts Mozilla's roots, as built in, and the authorities in `extra_ca_pem`. Names are always verified; there is no
/// switch that turns it off.
///
/// # Errors
///
/// When the extra text is no PEM or holds no usable certificate.
pub fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    install_provider();
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(text) = extra_ca_pem {
        add(&mut roots, text)?;
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

fn add(roots: &mut RootCertStore, pem_text: &[u8]) -> Result<(), TlsError> {
    let built_in = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem_text) {
        roots.add(certificate.map_err(TlsError::Pem)?).map_err(TlsError::Certificate)?;
    }
    if roots.len() == built_in { Err(TlsError::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_file_is_refused_rather_than_ignored() {
        assert!(matches!(client_config(Some(b"")), Err(TlsError::Empty)));
        assert!(matches!(client_config(Some(b"[server]\nlisten = 1")), Err(TlsError::Empty)));
        let garbled = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Some(garbled)), Err(TlsError::Pem(_))));
        let no_certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Some(no_certificate)), Err(TlsError::Certificate(_))));
    }

    #[test]
    fn installing_twice_is_the_same_as_once() {
        install_provider();
        install_provider();
        assert!(CryptoProvider::get_default().is_some());
        assert!(client_config(None).is_ok());
    }
}
