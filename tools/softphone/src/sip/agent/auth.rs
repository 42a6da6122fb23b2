//! Answers to digest challenges.

use std::time::Instant;

use rsip::headers::untyped;
use rsip::prelude::UntypedHeader as _;
use rsip::{Header, Request, SipMessage};

use super::{Purpose, UserAgent, status, wire};
use crate::sip::digest::{Challenge, Session};

/// A box that keeps calling each fresh nonce stale is not asked for ever.
const MAX_ATTEMPTS: u8 = 4;

impl UserAgent {
    /// Sends the request at `at` again with the answer to its challenge, or says why not.
    pub(super) fn answer_challenge(
        &mut self,
        at: usize,
        message: &SipMessage,
        now: Instant,
    ) -> Result<(), String> {
        let client = &self.clients[at];
        let SipMessage::Response(response) = message else { return Ok(()) };
        let code = response.status_code.code();
        let (authenticated, attempts, purpose) = (client.authenticated, client.attempts, client.purpose);
        let words =
            |authenticated| status::explain(code, "", &self.account.user, self.dialled(), authenticated);
        let who = self.account.credentials.clone().ok_or_else(|| words(false))?;
        let challenge = challenge_of(message).ok_or_else(|| {
            format!("{code}: the box asks for an authentication other than digest MD5 or SHA-256")
        })?;
        if attempts >= MAX_ATTEMPTS || (authenticated && !challenge.stale) {
            return Err(words(true));
        }
        let mut request = client.request.clone();
        let destination = client.destination;
        let mut session = Session::new(challenge);
        let cseq = self.next_cseq(purpose);
        let method = request.method;
        let value = session.authorize(&who, &method.to_string(), &request.uri.to_string(), &self.ids.token());
        self.auth = Some(session);
        set_authorization(&mut request, code, value);
        request.headers.unique_push(Header::CSeq(untyped::CSeq::new(format!("{cseq} {method}"))));
        self.send_request(request, destination, purpose, (true, attempts + 1), now);
        Ok(())
    }

    fn next_cseq(&mut self, purpose: Purpose) -> u32 {
        match (purpose, &mut self.call) {
            (Purpose::Invite | Purpose::Bye | Purpose::Cancel, Some(call)) => {
                call.dialog.local_cseq += 1;
                call.dialog.local_cseq
            }
            _ => self.registration.next_cseq(),
        }
    }

    fn dialled(&self) -> &str {
        self.call.as_ref().map_or("the number", |call| &call.target)
    }
}

fn challenge_of(message: &SipMessage) -> Option<Challenge> {
    Challenge::choose(wire::values(wire::headers(message), |header| match header {
        Header::WwwAuthenticate(value) => Some(value.value()),
        Header::ProxyAuthenticate(value) => Some(value.value()),
        _ => None,
    }))
}

fn set_authorization(request: &mut Request, code: u16, value: String) {
    request.headers.retain(|h| !matches!(h, Header::Authorization(_) | Header::ProxyAuthorization(_)));
    request.headers.push(if code == 407 {
        Header::ProxyAuthorization(untyped::ProxyAuthorization::new(value))
    } else {
        Header::Authorization(untyped::Authorization::new(value))
    });
}
