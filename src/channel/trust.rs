//! Whom a channel believes when the other side shows its certificate: the public certificate authorities, and those of the adapter.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("the adapter's ca holds no certificate in PEM")]
    NoCertificate,
    #[error("the adapter's ca is not to be used: {0}")]
    BadCertificate(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What TLS (1.2 and 1.3) is spoken by. `ca` is PEM; None: the public authorities of the system only.
pub fn tls(ca: Option<&[u8]>) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = ca {
        let mut own = 0;
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let certificate = certificate.map_err(|error| TrustError::BadCertificate(error.to_string()))?;
            let added = roots.add(certificate);
            added.map_err(|error| TrustError::BadCertificate(error.to_string()))?;
            own += 1;
        }
        if own == 0 {
            return Err(TrustError::NoCertificate);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_without_a_certificate_is_a_mistake_and_not_the_public_ones_only() {
        assert!(matches!(tls(Some(b"")), Err(TrustError::NoCertificate)));
        assert!(matches!(tls(Some(b"not PEM")), Err(TrustError::NoCertificate)));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(tls(Some(broken)), Err(TrustError::BadCertificate(_))));
        assert!(tls(None).is_ok());
    }
}
