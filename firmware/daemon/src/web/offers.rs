//! Accounts that are handed out once, to whoever knows where, and the page that leads a technician there.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use session::Language;
use subtle::ConstantTimeEq as _;

use super::{NOTHING_ELSE, sheet};
use crate::hub::{Hub, now};

/// How long an account waits for its phone.
pub(crate) const LIFETIME: Duration = Duration::from_secs(900);
/// Accounts at once.
const MOST: usize = 16;
/// Those and what is told of accounts that were fetched.
const MOST_TOLD: usize = 2 * MOST;

/// A phone that is to fetch its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Its number.
    pub extension: String,
    /// How it is called.
    pub name: String,
    /// What is spoken into it.
    pub language: Language,
    /// Where it reaches this page.
    pub at: SocketAddr,
}

/// What somebody has to know, 128 random bits each.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) account: String,
    pub(crate) page: String,
}

/// What the page tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) newcomer: Newcomer,
    /// What the account is fetched with, as long as nobody has.
    pub(super) token: Option<String>,
    pub(super) left: Duration,
}

struct Offer {
    tokens: Tokens,
    newcomer: Newcomer,
    since: Timestamp,
    /// Until it was fetched.
    account: Option<SecretString>,
}

/// The accounts that wait, the oldest first.
#[derive(Default)]
pub(crate) struct Offers(Mutex<Vec<Offer>>);

impl Offers {
    /// Keeps an account.
    pub(crate) fn offer(
        &self,
        newcomer: Newcomer,
        account: SecretString,
        now: Timestamp,
    ) -> Result<Tokens, String> {
        let tokens = Tokens::new().map_err(|error| format!("no random bytes: {error}"))?;
        let mut offers = self.fresh(now);
        if offers.iter().filter(|offer| offer.account.is_some()).count() >= MOST {
            return Err(format!("{MOST} phones are waited for; let one of them fetch its account, or wait"));
        }
        if offers.len() >= MOST_TOLD {
            let oldest = offers.iter().position(|offer| offer.account.is_none());
            oldest.map(|oldest| offers.remove(oldest));
        }
        offers.push(Offer { tokens: tokens.clone(), newcomer, since: now, account: Some(account) });
        Ok(tokens)
    }

    /// Gives an account away.
    fn take(&self, token: &str, now: Timestamp) -> Option<SecretString> {
        let mut offers = self.fresh(now);
        offers.iter_mut().find(|offer| is_same(&offer.tokens.account, token))?.account.take()
    }

    /// What the page of this token tells.
    fn tell(&self, token: &str, now: Timestamp) -> Option<Told> {
        let offers = self.fresh(now);
        let Offer { tokens, newcomer, since, account } =
            offers.iter().find(|offer| is_same(&offer.tokens.page, token))?;
        let token = account.as_ref().map(|_| tokens.account.clone());
        Some(Told { newcomer: newcomer.clone(), token, left: LIFETIME.saturating_sub(now.since(*since)) })
    }

    fn fresh(&self, now: Timestamp) -> MutexGuard<'_, Vec<Offer>> {
        let mut offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offers.retain(|offer| now.since(offer.since) < LIFETIME);
        offers
    }
}

impl Tokens {
    fn new() -> io::Result<Self> {
        let mut random = File::open("/dev/urandom")?;
        let mut token = || -> io::Result<String> {
            let mut bytes = [0; 16];
            random.read_exact(&mut bytes)?;
            Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
        };
        Ok(Self { account: token()?, page: token()? })
    }
}

fn is_same(token: &str, other: &str) -> bool {
    token.as_bytes().ct_eq(other.as_bytes()).into()
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
    let Some(account) = hub.offers.take(&token, now()) else {
        return (StatusCode::NOT_FOUND, NOTHING_ELSE).into_response();
    };
    log::info!("a phone has fetched its account");
    (NOTHING_ELSE, [(CONTENT_TYPE, "application/xml")], account.expose_secret().to_owned()).into_response()
}

/// The page for who sets the phone up.
pub(super) async fn show(Path(token): Path<String>, State(hub): State<Arc<Hub>>) -> Response {
    let (status, sheet) = match hub.offers.tell(&token, now()) {
        Some(Told { newcomer, token: Some(token), left }) => match sheet::open(&newcomer, &token, left) {
            Ok(sheet) => (StatusCode::OK, sheet),
            Err(error) => {
                log::error!("no page for the phone {}: {error}", newcomer.extension);
                return (StatusCode::INTERNAL_SERVER_ERROR, NOTHING_ELSE).into_response();
            }
        },
        Some(Told { newcomer, token: None, .. }) => (StatusCode::GONE, sheet::used(&newcomer)),
        None => (StatusCode::NOT_FOUND, sheet::over()),
    };
    let mut response = (status, NOTHING_ELSE, [(CONTENT_TYPE, sheet::CONTENT_TYPE)], sheet).into_response();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, sheet::POLICY.clone());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn newcomer(extension: &str) -> Newcomer {
        Newcomer {
            extension: extension.into(),
            name: "Door".into(),
            language: Language::ENGLISH,
            at: "192.168.1.20:8080".parse().unwrap(),
        }
    }

    #[test]
    fn an_account_is_given_away_once_and_in_time() {
        let offers = Offers::default();
        let [first, second] =
            [1, 2].map(|second| offers.offer(newcomer("101"), "<config/>".into(), at(second)).unwrap());
        assert!(first.account != second.account && first.account.len() == 32);
        assert!(offers.take("0", at(3)).is_none() && offers.take(&first.page, at(3)).is_none());
        assert_eq!(offers.take(&first.account, at(3)).unwrap().expose_secret(), "<config/>");
        assert!(offers.take(&first.account, at(3)).is_none(), "it was taken");
        assert!(offers.take(&second.account, at(902)).is_none(), "it was too late");
    }

    #[test]
    fn the_page_lives_as_long_as_the_account_and_tells_that_it_is_gone() {
        let offers = Offers::default();
        let tokens = offers.offer(newcomer("101"), "<config/>".into(), at(1)).unwrap();
        let told = |token: Option<&str>, left: u64| Told {
            newcomer: newcomer("101"),
            token: token.map(str::to_owned),
            left: Duration::from_secs(left),
        };
        assert_eq!(offers.tell(&tokens.account, at(1)), None);
        assert_eq!(offers.tell(&tokens.page, at(1)), Some(told(Some(&tokens.account), 900)));
        assert_eq!(offers.tell(&tokens.page, at(61)), Some(told(Some(&tokens.account), 840)), "still there");
        offers.take(&tokens.account, at(62)).unwrap();
        assert_eq!(offers.tell(&tokens.page, at(301)), Some(told(None, 600)));
        assert_eq!(offers.tell(&tokens.page, at(901)), None);
    }

    #[test]
    fn only_so_many_wait_and_only_so_many_are_told_of() {
        let offers = Offers::default();
        let offer = |second| offers.offer(newcomer("101"), "x".into(), at(second));
        let kept: Vec<Tokens> = (0..MOST).map(|_| offer(1).unwrap()).collect();
        assert!(offer(1).is_err());
        for _ in 0..100 {
            offers.take(&kept[0].account, at(2));
            let tokens = offer(2).unwrap();
            offers.take(&tokens.account, at(2)).unwrap();
        }
        assert_eq!(offers.fresh(at(2)).len(), MOST_TOLD);
        assert!(kept[1..].iter().all(|tokens| offers.tell(&tokens.page, at(2)).unwrap().token.is_some()));
        assert!(offer(2).is_ok() && offer(2).is_err());
        assert!(offer(1_000).is_ok(), "the others were too late");
    }
}
