//! Asking servers on loopback.

use std::sync::Arc;

use anyhow::Result;
use reqwest::ClientBuilder;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// A client that asks no proxy. It trusts no certificate, but must be told so: it has no TLS of its own.
///
/// # Errors
/// When its parts do not fit together.
pub fn client() -> Result<ClientBuilder> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls))
}
