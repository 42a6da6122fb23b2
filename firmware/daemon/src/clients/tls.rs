//! What TLS connections trust: the machine's own certificates, nothing else.

use std::io;
use std::sync::Arc;

use engines::{Failure, FailureKind};
use rustls::{ClientConfig, InvalidMessage, RootCertStore};

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

/// The failure behind `error`, looked for through its sources: what is known of it there, or that the service was not
/// reached.
pub(super) fn failure_of(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = error;
    loop {
        if let Some(failure) = of_tls(cause).or_else(|| of_socket(cause)) {
            return failure;
        }
        // An I/O error hides what it wraps from `source`.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| cause.source()) {
            Some(source) => cause = source,
            None => return Failure::new(FailureKind::Network, cause.to_string()),
        }
    }
}

fn of_tls(cause: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let (kind, detail) = match cause.downcast_ref()? {
        rustls::Error::InvalidCertificate(reason) => (
            FailureKind::Certificate,
            format!(
                "the server's certificate is refused: {reason:?}; check this machine's clock and the address"
            ),
        ),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            (FailureKind::Protocol, "the server does not speak TLS at this port".to_owned())
        }
        _ => return None,
    };
    Some(Failure::new(kind, detail))
}

/// The machine is there and answers, but no server.
fn of_socket(cause: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let error: &io::Error = cause.downcast_ref()?;
    let nobody = error.kind() == io::ErrorKind::ConnectionRefused;
    nobody.then(|| Failure::new(FailureKind::Down, format!("nothing listens there: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_server_is_no_missing_network() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(failure_of(&io::Error::other(refused)).kind, FailureKind::Down);
        let unreachable = io::Error::from(io::ErrorKind::NetworkUnreachable);
        assert_eq!(failure_of(&unreachable).kind, FailureKind::Network);
    }

    #[test]
    fn a_server_without_tls_is_told_from_a_bad_certificate() {
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let failure = failure_of(&io::Error::new(io::ErrorKind::InvalidData, plain));
        assert_eq!(failure.kind, FailureKind::Protocol);
        assert!(failure.detail.contains("does not speak TLS"));
    }
}
