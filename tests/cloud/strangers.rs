//! Servers that must not be trusted.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// A TLS server that takes whatever it is told, and counts it.
pub(crate) struct Stranger {
    /// `wss://localhost:…`
    pub(crate) url: String,
    /// Bytes that were sent to it in spite of its certificate.
    pub(crate) told: Arc<AtomicUsize>,
}

impl Stranger {
    /// It shows this certificate.
    pub(crate) fn with(certificate: &Certificate, key: &KeyPair) -> Self {
        let config = shows(certificate, key);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("wss://localhost:{}", listener.local_addr().expect("an address").port());
        let told = Arc::new(AtomicUsize::new(0));
        let (config, counted) = (Arc::new(config), Arc::clone(&told));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                let mut tls = StreamOwned::new(session, stream);
                let mut bytes = [0; 1_024];
                while let Ok(read @ 1..) = tls.read(&mut bytes) {
                    counted.fetch_add(read, Ordering::Relaxed);
                }
            }
        });
        Self { url, told }
    }
}

/// The settings of a server that shows this certificate.
fn shows(certificate: &Certificate, key: &KeyPair) -> ServerConfig {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("its own key")
}

/// Somebody whom the machine trusts, and who vouches for servers.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub(crate) certificate: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A server of this name, whose certificate was good until the end of that year.
    pub(crate) fn vouches_for(&self, name: &str, until: i32) -> Stranger {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Stranger::with(&certificate, &key)
    }

    /// A TLS server before `server`, with a good certificate: its address.
    pub(crate) async fn vouches_before(&self, server: SocketAddr) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2099, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let acceptor = TlsAcceptor::from(Arc::new(shows(&certificate, &key)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("wss://localhost:{}", listener.local_addr().expect("an address").port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who does not trust it goes.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(server).await.expect("the server listens");
                    let _gone = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        url
    }
}
