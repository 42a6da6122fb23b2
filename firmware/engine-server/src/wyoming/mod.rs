//! Recognition and synthesis over Wyoming.

mod connection;
mod hearing;
mod info;
mod speaking;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::connection::Connection;
use crate::config::Limits;
use crate::load::Engines;

/// Serves every connection in a task of its own, for ever.
pub async fn serve(listener: TcpListener, engines: Arc<Engines>, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: the others may close some.
                log::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            log::warn!("more than {} connections: one is refused", limits.connections);
            continue;
        };
        let connection = Connection::new(stream, engines.clone(), Duration::from_secs(limits.idle_seconds));
        tokio::spawn(async move {
            if let Err(error) = connection.run().await {
                log::info!("a Wyoming connection ended: {error:#}");
            }
            drop(place);
        });
    }
}
