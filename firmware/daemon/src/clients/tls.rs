//! What TLS connections trust: the machine's own certificates, nothing else.

use std::sync::Arc;

use engines::{Failure, FailureKind};
use rustls::{ClientConfig, RootCertStore};

/// The settings of all TLS connections.
///
/// # Errors
/// Where the library cannot be set up. A machine without certificates is no error here: each server is then refused.
pub(super) fn config() -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!("certificates of this machine: {error}");
    }
    let (trusted, ignored) = roots.add_parsable_certificates(found.certs);
    log::debug!("{trusted} certificates are trusted, {ignored} could not be read");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(FailureKind::Certificate, format!("no TLS: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The failure behind `error`, looked for through its sources: a certificate's, or that the service was not reached.
pub(super) fn failure_of(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = error;
    loop {
        if let Some(rustls::Error::InvalidCertificate(reason)) = cause.downcast_ref() {
            let detail = format!(
                "the server's certificate is refused: {reason:?}; check this machine's clock and the address"
            );
            return Failure::new(FailureKind::Certificate, detail);
        }
        // An I/O error hides what it wraps from `source`.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match wrapped.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| cause.source()) {
            Some(source) => cause = source,
            None => return Failure::new(FailureKind::Network, cause.to_string()),
        }
    }
}
