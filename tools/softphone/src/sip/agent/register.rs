//! REGISTER: telling the box where the extension is.

use std::time::{Duration, Instant};

use rsip::headers::untyped;
use rsip::prelude::UntypedHeader as _;
use rsip::{Header, Method, Request, SipMessage, Uri, Version};

use super::{AgentEvent, Purpose, UserAgent, status, wire};
use crate::sip::dialog::{ALLOW, USER_AGENT};
use crate::sip::ids::IdSource;

const WANTED: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Off,
    Asked,
    On { refresh_at: Instant },
    Leaving,
}

pub(super) struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    expires: Duration,
    state: State,
}

impl Registration {
    pub(super) fn new(ids: &mut IdSource) -> Self {
        Self { call_id: ids.token(), tag: ids.token(), cseq: 0, expires: WANTED, state: State::Off }
    }

    pub(super) fn refresh_at(&self) -> Option<Instant> {
        match self.state {
            State::On { refresh_at } => Some(refresh_at),
            _ => None,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        !matches!(self.state, State::Asked | State::Leaving)
    }

    pub(super) fn failed(&mut self) {
        self.state = State::Off;
    }

    pub(super) fn next_cseq(&mut self) -> u32 {
        self.cseq += 1;
        self.cseq
    }
}

impl UserAgent {
    /// Tells the box where we are, and again in time until [`unregister`](Self::unregister).
    pub fn register(&mut self, now: Instant) {
        self.registration.expires = WANTED;
        self.send_register(now);
    }

    /// Makes the box forget us. Nothing happens when it does not know us.
    pub fn unregister(&mut self, now: Instant) {
        if !matches!(self.registration.state, State::On { .. }) {
            self.registration.state = State::Off;
            return;
        }
        self.registration.state = State::Leaving;
        self.send(Purpose::Unregister, Duration::ZERO, now);
    }

    pub(super) fn send_register(&mut self, now: Instant) {
        self.registration.state = State::Asked;
        self.send(Purpose::Register, self.registration.expires, now);
    }

    fn send(&mut self, purpose: Purpose, expires: Duration, now: Instant) {
        let Some(mut request) = self.register_request(expires) else {
            let words = format!("{} is no host name for a SIP address", self.account.domain);
            self.registration.failed();
            self.events.push_back(AgentEvent::RegistrationFailed(words));
            return;
        };
        // A known nonce saves a round trip; when it has grown old, the box says so.
        if let (Some(session), Some(who)) = (&mut self.auth, &self.account.credentials) {
            let value = session.authorize(who, "REGISTER", &request.uri.to_string(), &self.ids.token());
            request.headers.push(Header::Authorization(untyped::Authorization::new(value)));
        }
        let server = self.account.server;
        self.send_request(request, server, purpose, (false, 0), now);
    }

    fn register_request(&mut self, expires: Duration) -> Option<Request> {
        let uri = Uri::try_from(format!("sip:{}", self.account.domain)).ok()?;
        let cseq = self.registration.next_cseq();
        let address = format!("<sip:{}@{}>", self.account.user, self.account.domain);
        let headers = vec![
            Header::MaxForwards(untyped::MaxForwards::new("70")),
            Header::From(untyped::From::new(format!("{address};tag={}", self.registration.tag))),
            Header::To(untyped::To::new(address)),
            Header::CallId(untyped::CallId::new(self.registration.call_id.clone())),
            Header::CSeq(untyped::CSeq::new(format!("{cseq} REGISTER"))),
            Header::Contact(untyped::Contact::new(self.contact_header())),
            Header::Expires(untyped::Expires::new(expires.as_secs().to_string())),
            Header::Allow(untyped::Allow::new(ALLOW)),
            Header::UserAgent(untyped::UserAgent::new(USER_AGENT)),
        ];
        Some(Request {
            method: Method::Register,
            uri,
            version: Version::V2,
            headers: headers.into(),
            body: Vec::new(),
        })
    }

    pub(super) fn on_register_response(
        &mut self,
        purpose: Purpose,
        message: &SipMessage,
        code: u16,
        now: Instant,
    ) {
        match (purpose, code) {
            (_, ..200) => {}
            (Purpose::Unregister, _) => {
                self.registration.state = State::Off;
                self.events.push_back(AgentEvent::Unregistered);
            }
            (_, 200..=299) => {
                let expires = self.granted(message);
                let refresh = expires.saturating_sub(Duration::from_secs(30)).max(expires / 2);
                self.registration.state = State::On { refresh_at: now + refresh };
                self.events.push_back(AgentEvent::Registered(expires));
            }
            (_, 423) if self.registration.expires < minimum(message) => {
                self.registration.expires = minimum(message);
                self.send_register(now);
            }
            _ => {
                self.registration.failed();
                let words = status::explain(code, "refused", &self.account.user, "the registration", false);
                self.events.push_back(AgentEvent::RegistrationFailed(words));
            }
        }
    }

    /// How long the box will remember us: the `expires` of our contact, else the header, else what we asked for.
    fn granted(&self, message: &SipMessage) -> Duration {
        let ours = format!("sip:{}@{}", self.account.user, self.contact);
        let contact = wire::values(wire::headers(message), |header| match header {
            Header::Contact(contact) => Some(contact.value()),
            _ => None,
        })
        .into_iter()
        .flat_map(wire::split_list)
        .find(|contact| wire::uri_of(contact).starts_with(&ours))
        .and_then(|contact| wire::param(contact, "expires"));
        let header = || {
            wire::values(wire::headers(message), |header| match header {
                Header::Expires(expires) => Some(expires.value()),
                _ => None,
            })
            .into_iter()
            .next()
        };
        let seconds = contact.or_else(header).and_then(|text| text.trim().parse::<u32>().ok());
        // A server that says 0 or a second would have us ask without end.
        seconds.map_or(self.registration.expires, |s| Duration::from_secs(u64::from(s.max(20))))
    }
}

/// The `Min-Expires` of a refusal, a day at most.
fn minimum(message: &SipMessage) -> Duration {
    let value = wire::values(wire::headers(message), |header| match header {
        Header::MinExpires(value) => Some(value.value()),
        _ => None,
    });
    let seconds = value.first().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    Duration::from_secs(u64::from(seconds.min(86_400)))
}
