//! Deepgram: `/v1/listen` (Nova), `/v2/listen` (Flux) and `/v1/speak` (Aura).

mod admission;
mod ear;
mod flux;
mod intake;
mod line;
mod listen;
mod speak;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::routing::get;

use crate::{Emulator, World};

/// Serves all three on a loopback port, 0 for a free one. They meet the faults of one script, in the order in which
/// connections are made.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let router = Router::new()
        .route("/v1/listen", get(listen::upgrade))
        .route("/v2/listen", get(flux::upgrade))
        .route("/v1/speak", get(speak::upgrade))
        .with_state(Arc::clone(&world));
    Emulator::start(router, world, port).await
}

/// In the form of a UUID, version 4.
fn uuid() -> String {
    let id = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_the_form_of_a_uuid() {
        let id = super::uuid();
        assert_eq!((id.len(), &id[14..15], id.matches('-').count()), (36, "4", 4));
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
