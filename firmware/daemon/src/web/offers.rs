//! Documents that are handed out once, to whoever knows where: what a new phone reads to know its account.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use super::NOTHING_ELSE;
use crate::hub::{Hub, now};

/// How long a document waits for its reader.
pub(crate) const LIFETIME: Duration = Duration::from_secs(900);
/// Documents at once.
const MOST: usize = 16;

/// The documents that wait, by token.
#[derive(Default)]
pub(crate) struct Offers(Mutex<HashMap<String, (SecretString, Timestamp)>>);

impl Offers {
    /// Keeps a document. The token that it is fetched with, 128 random bits.
    pub(crate) fn offer(&self, document: SecretString, now: Timestamp) -> Result<String, String> {
        let token = token().map_err(|error| format!("no random bytes: {error}"))?;
        let mut waiting = self.waiting(now);
        if waiting.len() >= MOST {
            return Err(format!("{MOST} phones are waited for; let one of them fetch its account, or wait"));
        }
        waiting.insert(token.clone(), (document, now));
        Ok(token)
    }

    /// Gives a document away.
    fn take(&self, token: &str, now: Timestamp) -> Option<SecretString> {
        self.waiting(now).remove(token).map(|(document, _)| document)
    }

    fn waiting(
        &self,
        now: Timestamp,
    ) -> std::sync::MutexGuard<'_, HashMap<String, (SecretString, Timestamp)>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (_, since)| now.since(*since) < LIFETIME);
        waiting
    }
}

fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// A look ahead of the phone's must not take its account away.
pub(super) async fn fetch(
    method: Method,
    Path(token): Path<String>,
    State(hub): State<Arc<Hub>>,
) -> Response {
    if method != Method::GET {
        return (StatusCode::METHOD_NOT_ALLOWED, NOTHING_ELSE).into_response();
    }
    let Some(document) = hub.offers.take(&token, now()) else {
        return (StatusCode::NOT_FOUND, NOTHING_ELSE).into_response();
    };
    log::info!("a phone has fetched its account");
    (NOTHING_ELSE, [(CONTENT_TYPE, "application/xml")], document.expose_secret().to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_document_is_given_away_once_and_in_time() {
        let offers = Offers::default();
        let [first, second] = [1, 2].map(|second| offers.offer("<config/>".into(), at(second)).unwrap());
        assert!(first != second && first.len() == 32);
        assert!(offers.take("0", at(3)).is_none());
        assert_eq!(offers.take(&first, at(3)).unwrap().expose_secret(), "<config/>");
        assert!(offers.take(&first, at(3)).is_none(), "it was taken");
        assert!(offers.take(&second, at(902)).is_none(), "it was too late");
    }

    #[test]
    fn only_so_many_wait() {
        let offers = Offers::default();
        assert!((0..MOST).all(|_| offers.offer("x".into(), at(1)).is_ok()));
        assert!(offers.offer("x".into(), at(1)).is_err());
        assert!(offers.offer("x".into(), at(1_000)).is_ok(), "the others were too late");
    }
}
