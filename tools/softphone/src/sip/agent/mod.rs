//! One phone line: registration and at most one call.
//!
//! The calling contract: give it a datagram ([`UserAgent::on_datagram`]), a due timer ([`UserAgent::on_timer`]) or
//! a wish ([`UserAgent::invite`], [`UserAgent::answer`], [`UserAgent::hang_up`], [`UserAgent::register`]); then drain
//! [`UserAgent::poll_transmit`] and [`UserAgent::poll_event`], and come back at [`UserAgent::next_timer`].

mod auth;
mod event;
mod incoming;
mod outgoing;
mod register;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::time::Instant;

use rsip::headers::untyped;
use rsip::prelude::UntypedHeader as _;
use rsip::{Header, Method, Request, SipMessage};

use super::dialog::Dialog;
use super::digest::Session;
use super::ids::IdSource;
use super::status;
use super::transaction::{ClientTransaction, Kind, ResponseAction, ServerTransaction, TimerAction};
use super::wire::{self, Envelope, Inbound, WireError};
use crate::sdp::{LocalMedia, Negotiated, RemoteMedia};
pub use event::{Account, AgentEvent, EndedBy, Transmit};
use register::Registration;

const MAX_SERVER_TRANSACTIONS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Register,
    Unregister,
    Invite,
    Cancel,
    Bye,
}

struct Client {
    branch: String,
    tx: ClientTransaction,
    request: Request,
    bytes: Vec<u8>,
    destination: SocketAddrV4,
    purpose: Purpose,
    /// It carries the answer to a challenge made for it, so that another challenge means a wrong secret.
    authenticated: bool,
    attempts: u8,
    /// For a refused INVITE: its ACK, to be repeated with the refusal.
    ack: Vec<u8>,
}

struct Server {
    branch: String,
    method: Method,
    call_id: String,
    cseq: u32,
    tx: ServerTransaction,
    destination: SocketAddrV4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Our INVITE is out.
    Calling,
    /// Theirs waits for us.
    Ringing,
    /// Answered.
    Active,
    /// Our BYE is out.
    Ending,
}

struct Call {
    dialog: Dialog,
    phase: Phase,
    /// What was dialled, for words.
    target: String,
    media: Option<LocalMedia>,
    sdp_version: u64,
    agreed: Option<Negotiated>,
    /// A provisional answer has come, so that CANCEL is allowed.
    provisional: bool,
    cancel_wanted: bool,
    /// The ACK of our INVITE's 2xx, repeated with it.
    ack: Option<Transmit>,
    invite: Option<incoming::Invite>,
}

/// The state machine of one phone line.
pub struct UserAgent {
    account: Account,
    ids: IdSource,
    clients: Vec<Client>,
    servers: Vec<Server>,
    registration: Registration,
    auth: Option<Session>,
    call: Option<Call>,
    /// Our address as the box sees it (`received` and `rport` of its answers).
    contact: SocketAddrV4,
    transmits: VecDeque<Transmit>,
    events: VecDeque<AgentEvent>,
    malformed: u64,
}

impl UserAgent {
    /// A line without registration and call.
    pub fn new(account: Account, mut ids: IdSource) -> Self {
        let registration = Registration::new(&mut ids);
        Self {
            contact: account.local,
            account,
            ids,
            clients: Vec::new(),
            servers: Vec::new(),
            registration,
            auth: None,
            call: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            malformed: 0,
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<AgentEvent> {
        self.events.pop_front()
    }

    /// Datagrams that were no SIP message.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Whether a call is being made, up or ending.
    pub fn in_call(&self) -> bool {
        self.call.is_some()
    }

    /// Whether nothing waits for an answer any more.
    pub fn is_idle(&self) -> bool {
        self.call.is_none() && self.registration.is_settled()
    }

    /// When [`on_timer`](Self::on_timer) wants to be called.
    pub fn next_timer(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(|client| client.tx.next_timer());
        let servers = self.servers.iter().filter_map(|server| server.tx.next_timer());
        clients.chain(servers).chain(self.registration.refresh_at()).min()
    }

    /// Takes a datagram that came from `source` at `now`. Whatever it holds, it never panics.
    pub fn on_datagram(&mut self, datagram: &[u8], source: SocketAddrV4, now: Instant) {
        match wire::parse(datagram) {
            Ok(Inbound { message: SipMessage::Request(request), envelope }) => {
                self.on_request(request, &envelope, source, now);
            }
            Ok(Inbound { message, envelope }) => self.on_response(&message, &envelope, source, now),
            Err(WireError::KeepAlive) => {}
            Err(_) => self.malformed += 1,
        }
    }

    /// Does what is due at `now`.
    pub fn on_timer(&mut self, now: Instant) {
        self.run_client_timers(now);
        self.run_server_timers(now);
        if self.registration.refresh_at().is_some_and(|at| at <= now) {
            self.send_register(now);
        }
    }

    fn run_client_timers(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(client) = self.clients.get_mut(at) {
            match client.tx.on_timer(now) {
                TimerAction::Wait => at += 1,
                TimerAction::Retransmit => {
                    let transmit = Transmit { to: client.destination, bytes: client.bytes.clone() };
                    self.transmits.push_back(transmit);
                    at += 1;
                }
                TimerAction::Terminated => drop(self.clients.remove(at)),
                TimerAction::TimedOut => {
                    let client = self.clients.remove(at);
                    self.on_no_answer(&client);
                }
            }
        }
    }

    fn on_no_answer(&mut self, client: &Client) {
        let message =
            format!("no answer from {}: is the box on, is this its SIP address?", client.destination);
        match client.purpose {
            Purpose::Register => {
                self.registration.failed();
                self.events.push_back(AgentEvent::RegistrationFailed(message));
            }
            Purpose::Unregister => {
                self.registration.failed();
                self.events.push_back(AgentEvent::Unregistered);
            }
            Purpose::Invite => self.fail_call(None, message),
            Purpose::Cancel => {}
            Purpose::Bye => self.end_call(EndedBy::Timeout),
        }
    }

    fn run_server_timers(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(server) = self.servers.get_mut(at) {
            match server.tx.on_timer(now) {
                TimerAction::Wait => at += 1,
                TimerAction::Retransmit => {
                    let bytes = server.tx.response().unwrap_or_default().to_vec();
                    self.transmits.push_back(Transmit { to: server.destination, bytes });
                    at += 1;
                }
                TimerAction::Terminated => drop(self.servers.remove(at)),
                TimerAction::TimedOut => {
                    let server = self.servers.remove(at);
                    let ours = self.call.as_ref().is_some_and(|call| call.dialog.call_id == server.call_id);
                    if ours {
                        self.send_bye(now);
                    }
                }
            }
        }
    }

    fn contact_header(&self) -> String {
        format!("<sip:{}@{}>", self.account.user, self.contact)
    }

    /// Sends a request in a transaction of its own.
    fn send_request(
        &mut self,
        request: Request,
        destination: SocketAddrV4,
        purpose: Purpose,
        (authenticated, attempts): (bool, u8),
        now: Instant,
    ) {
        let branch = self.ids.branch();
        let kind = if request.method == Method::Invite { Kind::Invite } else { Kind::Other };
        let bytes = self.serialise(request.clone(), &branch);
        self.transmits.push_back(Transmit { to: destination, bytes: bytes.clone() });
        let tx = ClientTransaction::new(kind, now);
        let ack = Vec::new();
        self.clients.push(Client {
            branch,
            tx,
            request,
            bytes,
            destination,
            purpose,
            authenticated,
            attempts,
            ack,
        });
    }

    /// The bytes of a request with our `Via` on top and its `Content-Length`.
    fn serialise(&self, mut request: Request, branch: &str) -> Vec<u8> {
        let via = format!("SIP/2.0/UDP {};rport;branch={branch}", self.account.local);
        let mut headers: Vec<Header> = vec![Header::Via(untyped::Via::new(via))];
        headers.extend(Vec::from(std::mem::take(&mut request.headers)));
        headers.push(Header::ContentLength(untyped::ContentLength::new(request.body.len().to_string())));
        request.headers = headers.into();
        request.into()
    }

    fn on_response(&mut self, message: &SipMessage, envelope: &Envelope, source: SocketAddrV4, now: Instant) {
        let SipMessage::Response(response) = message else { return };
        let code = response.status_code.code();
        self.learn_contact(message);
        let found = self
            .clients
            .iter()
            .position(|c| c.branch == envelope.branch && c.request.method == envelope.method);
        let Some(at) = found else {
            return self.repeat_ack(envelope, code);
        };
        let client = &mut self.clients[at];
        match client.tx.on_response(code, now) {
            ResponseAction::Absorb => {}
            ResponseAction::AcknowledgeAgain => {
                let transmit = Transmit { to: client.destination, bytes: client.ack.clone() };
                self.transmits.push_back(transmit);
            }
            ResponseAction::Deliver => self.deliver(at, message, code, source, now),
        }
    }

    fn deliver(&mut self, at: usize, message: &SipMessage, code: u16, source: SocketAddrV4, now: Instant) {
        let purpose = self.clients[at].purpose;
        if purpose == Purpose::Invite && code >= 300 {
            self.acknowledge_refusal(at, message);
        }
        if matches!(code, 401 | 407)
            && matches!(purpose, Purpose::Invite | Purpose::Register | Purpose::Unregister | Purpose::Bye)
        {
            match self.answer_challenge(at, message, now) {
                Ok(()) => return,
                Err(words) => return self.on_refused(purpose, code, words),
            }
        }
        match purpose {
            Purpose::Register | Purpose::Unregister => self.on_register_response(purpose, message, code, now),
            Purpose::Invite => self.on_invite_response(at, message, code, source, now),
            Purpose::Bye if code >= 200 => self.end_call(EndedBy::Local),
            Purpose::Bye | Purpose::Cancel => {}
        }
    }

    fn on_refused(&mut self, purpose: Purpose, code: u16, words: String) {
        match purpose {
            Purpose::Register => {
                self.registration.failed();
                self.events.push_back(AgentEvent::RegistrationFailed(words));
            }
            Purpose::Unregister => {
                self.registration.failed();
                self.events.push_back(AgentEvent::Unregistered);
            }
            Purpose::Invite => self.fail_call(Some(code), words),
            Purpose::Bye | Purpose::Cancel => self.end_call(EndedBy::Local),
        }
    }

    /// Takes the address under which the box sees us.
    fn learn_contact(&mut self, message: &SipMessage) {
        use rsip::message::HeadersExt as _;
        let Ok(via) = message.via_header() else { return };
        let port = wire::param(via.value(), "rport").and_then(|port| port.parse().ok());
        let ip = wire::param(via.value(), "received").and_then(|ip| ip.parse().ok());
        if let Some(port) = port {
            self.contact.set_port(port);
        }
        if let Some(ip) = ip {
            self.contact.set_ip(ip);
        }
    }

    fn fail_call(&mut self, code: Option<u16>, message: String) {
        if self.call.take().is_some() {
            self.events.push_back(AgentEvent::Failed { code, message });
        }
    }

    fn end_call(&mut self, by: EndedBy) {
        if self.call.take().is_some() {
            self.events.push_back(AgentEvent::Ended(by));
        }
    }
}

/// The session description in a message, if it has one.
fn description(message: &SipMessage) -> Option<Result<RemoteMedia, crate::sdp::SdpError>> {
    let body = message.body();
    (!body.is_empty()).then(|| RemoteMedia::parse(body))
}
