//! Many who need a leg's line at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use super::stream::Stream;
use crate::clients::Transport;
use crate::clients::tests::service;
use crate::config::Asr;

/// Takes connections and listens to them, counting.
async fn serve(listener: TcpListener, opened: Arc<AtomicUsize>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let opened = Arc::clone(&opened);
        tokio::spawn(async move {
            let mut socket = accept_async(tcp).await.unwrap();
            opened.fetch_add(1, Ordering::Relaxed);
            while socket.next().await.is_some() {}
        });
    }
}

#[tokio::test]
async fn ten_who_connect_at_once_make_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = service(&format!("ws://{}", listener.local_addr().unwrap()));
    let opened = Arc::<AtomicUsize>::default();
    tokio::spawn(serve(listener, Arc::clone(&opened)));
    let stream =
        Arc::new(Stream::new(Transport::new().unwrap(), Asr::DeepgramListen(service), Arc::new(|_| {})));
    let languages = ["en", "es"].map(|code| code.parse().unwrap());
    let callers = (0..10).map(|_| {
        let stream = Arc::clone(&stream);
        tokio::spawn(async move { stream.warm(languages).await })
    });
    for connected in join_all(callers).await {
        connected.unwrap().unwrap();
    }
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}
