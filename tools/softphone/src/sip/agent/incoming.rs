//! Requests of the other side: calls to us, re-INVITE, BYE, CANCEL, OPTIONS.

use std::net::SocketAddrV4;
use std::time::Instant;

use rsip::headers::untyped;
use rsip::message::HeadersExt as _;
use rsip::prelude::UntypedHeader as _;
use rsip::{Header, Method, Request, Response, SipMessage, StatusCode, Version};

use super::{
    AgentEvent, Call, EndedBy, MAX_SERVER_TRANSACTIONS, Phase, Server, Transmit, UserAgent, description, wire,
};
use crate::sdp::{self, LocalMedia, RemoteMedia, SdpError};
use crate::sip::dialog::{ALLOW, Dialog, USER_AGENT};
use crate::sip::transaction::{Kind, ServerTransaction};
use crate::sip::wire::Envelope;

/// An INVITE of the other side that is not finished.
pub(super) struct Invite {
    request: SipMessage,
    branch: String,
    /// `None`: the caller leaves the offer to us and answers in his ACK.
    offer: Option<RemoteMedia>,
}

/// A response in the making.
#[derive(Default)]
struct Reply {
    headers: Vec<Header>,
    body: Vec<u8>,
}

impl UserAgent {
    pub(super) fn on_request(
        &mut self,
        request: Request,
        envelope: &Envelope,
        source: SocketAddrV4,
        now: Instant,
    ) {
        if request.method == Method::Ack {
            return self.on_ack(&SipMessage::Request(request), envelope, now);
        }
        let known = self.servers.iter().find(|s| s.branch == envelope.branch && s.method == request.method);
        if let Some(server) = known {
            let again =
                server.tx.response().map(|bytes| Transmit { to: server.destination, bytes: bytes.to_vec() });
            self.transmits.extend(again);
            return;
        }
        if self.servers.len() >= MAX_SERVER_TRANSACTIONS {
            self.malformed += 1;
            return;
        }
        let method = request.method;
        let kind = if method == Method::Invite { Kind::Invite } else { Kind::Other };
        self.servers.push(Server {
            branch: envelope.branch.clone(),
            method,
            call_id: envelope.call_id.clone(),
            cseq: envelope.cseq,
            tx: ServerTransaction::new(kind),
            destination: source,
        });
        let message = SipMessage::Request(request);
        match method {
            Method::Invite if envelope.to_tag.is_none() => self.on_invite(&message, envelope, source, now),
            Method::Invite => self.on_reinvite(&message, envelope, now),
            Method::Bye => self.on_bye(&message, envelope, now),
            Method::Cancel => self.on_cancel(&message, envelope, now),
            Method::Options => self.reply(&message, envelope, 200, capabilities(), now),
            _ => self.reply(&message, envelope, 405, capabilities(), now),
        }
    }

    /// Answers the waiting call.
    pub fn answer(&mut self, media: &LocalMedia, now: Instant) {
        let Some(call) = &mut self.call else { return };
        let Some(invite) = call.invite.take() else { return };
        call.media = Some(media.clone());
        let agreed = match &invite.offer {
            Some(offer) => offer.negotiate(media).map(Some),
            None => Ok(None),
        };
        match agreed {
            Err(_) => {
                call.invite = Some(invite);
                self.reject(488, now);
            }
            Ok(agreed) => {
                let body = match &agreed {
                    Some(agreed) => sdp::answer(media, call.sdp_version, agreed),
                    None => sdp::offer(media, call.sdp_version),
                };
                call.phase = Phase::Active;
                self.reply_to_invite(&invite.request, &invite.branch, 200, body, now);
                if let Some(agreed) = agreed {
                    self.connect(agreed);
                }
            }
        }
    }

    /// Refuses the waiting call with `code`.
    pub(super) fn reject(&mut self, code: u16, now: Instant) {
        let Some(invite) = self.call.as_mut().and_then(|call| call.invite.take()) else { return };
        self.reply_to_invite(&invite.request, &invite.branch, code, Vec::new(), now);
        self.end_call(EndedBy::Local);
    }

    fn on_invite(&mut self, message: &SipMessage, envelope: &Envelope, source: SocketAddrV4, now: Instant) {
        if self.call.is_some() {
            return self.reply(message, envelope, 486, Reply::default(), now);
        }
        let required = wire::values(wire::headers(message), |header| match header {
            Header::Require(value) => Some(value.value()),
            _ => None,
        })
        .join(", ");
        if !required.is_empty() {
            let headers = vec![Header::Unsupported(untyped::Unsupported::new(required))];
            return self.reply(message, envelope, 420, Reply { headers, body: Vec::new() }, now);
        }
        let Ok(offer) = description(message).transpose() else {
            return self.reply(message, envelope, 488, Reply::default(), now);
        };
        let tag = self.ids.token();
        let Some(dialog) = Dialog::from_request(message, envelope, &tag, source) else {
            return self.reply(message, envelope, 400, Reply::default(), now);
        };
        let from = message.from_header().map_or("", |from| wire::user_of(from.value())).to_owned();
        self.call = Some(Call {
            dialog,
            phase: Phase::Ringing,
            target: from.clone(),
            media: None,
            sdp_version: 1,
            agreed: None,
            provisional: false,
            cancel_wanted: false,
            ack: None,
            invite: Some(Invite { request: message.clone(), branch: envelope.branch.clone(), offer }),
        });
        self.reply_to_invite(message, &envelope.branch, 180, Vec::new(), now);
        self.events.push_back(AgentEvent::Incoming { from });
    }

    fn on_reinvite(&mut self, message: &SipMessage, envelope: &Envelope, now: Instant) {
        let owned = |call: &&mut Call| call.dialog.owns(&envelope.call_id, envelope.to_tag.as_deref());
        let Some(call) = self.call.as_mut().filter(owned) else {
            return self.reply(message, envelope, 481, Reply::default(), now);
        };
        let Some(media) = call.media.clone().filter(|_| call.phase == Phase::Active) else {
            return self.reply(message, envelope, 491, Reply::default(), now);
        };
        if call.dialog.remote_cseq.is_some_and(|last| envelope.cseq <= last) {
            return self.reply(message, envelope, 500, Reply::default(), now);
        }
        call.dialog.remote_cseq = Some(envelope.cseq);
        call.dialog.learn_target(message);
        call.sdp_version += 1;
        let version = call.sdp_version;
        let agreed = description(message).map(|remote| remote.and_then(|remote| remote.negotiate(&media)));
        match agreed {
            Some(Err(_)) => self.reply(message, envelope, 488, Reply::default(), now),
            None => self.reply_to_invite(message, &envelope.branch, 200, sdp::offer(&media, version), now),
            Some(Ok(agreed)) => {
                let body = sdp::answer(&media, version, &agreed);
                self.reply_to_invite(message, &envelope.branch, 200, body, now);
                self.events.push_back(AgentEvent::MediaChanged(agreed));
            }
        }
    }

    /// An ACK ends the repetition of our answer, and carries the caller's answer when the offer was ours.
    fn on_ack(&mut self, message: &SipMessage, envelope: &Envelope, now: Instant) {
        let matching = |s: &&mut Server| {
            s.method == Method::Invite && s.call_id == envelope.call_id && s.cseq == envelope.cseq
        };
        let first = self.servers.iter_mut().find(matching).is_some_and(|server| server.tx.on_ack(now));
        let Some(call) = self.call.as_mut().filter(|_| first) else { return };
        let Some(media) = &call.media else { return };
        let agreed = match description(message) {
            Some(remote) => remote.and_then(|remote| remote.negotiate(media)),
            None if call.agreed.is_none() => Err(SdpError::NoCommonCodec),
            None => return,
        };
        match (agreed, call.agreed.is_some()) {
            (Ok(agreed), false) => self.connect(agreed),
            (Ok(agreed), true) => self.events.push_back(AgentEvent::MediaChanged(agreed)),
            (Err(_), _) => self.send_bye(now),
        }
    }

    fn on_bye(&mut self, message: &SipMessage, envelope: &Envelope, now: Instant) {
        let owned = |call: &Call| call.dialog.owns(&envelope.call_id, envelope.to_tag.as_deref());
        if !self.call.as_ref().is_some_and(owned) {
            return self.reply(message, envelope, 481, Reply::default(), now);
        }
        self.reply(message, envelope, 200, Reply::default(), now);
        if let Some(invite) = self.call.as_mut().and_then(|call| call.invite.take()) {
            self.reply_to_invite(&invite.request, &invite.branch, 487, Vec::new(), now);
        }
        self.end_call(EndedBy::Remote);
    }

    fn on_cancel(&mut self, message: &SipMessage, envelope: &Envelope, now: Instant) {
        let waiting = |s: &Server| s.branch == envelope.branch && s.method == Method::Invite;
        if !self.servers.iter().any(waiting) {
            return self.reply(message, envelope, 481, Reply::default(), now);
        }
        self.reply(message, envelope, 200, Reply::default(), now);
        let ours = |invite: &Invite| invite.branch == envelope.branch;
        let Some(call) = &mut self.call else { return };
        if let Some(invite) = call.invite.take_if(|invite| ours(invite)) {
            self.reply_to_invite(&invite.request, &invite.branch, 487, Vec::new(), now);
            self.end_call(EndedBy::Remote);
        }
    }

    /// Answers an INVITE that belongs to the call, with contact and, for 200, a session description.
    fn reply_to_invite(
        &mut self,
        message: &SipMessage,
        branch: &str,
        code: u16,
        body: Vec<u8>,
        now: Instant,
    ) {
        let mut headers = vec![
            Header::Contact(untyped::Contact::new(self.contact_header())),
            Header::Allow(untyped::Allow::new(ALLOW)),
        ];
        if !body.is_empty() {
            headers.push(Header::ContentType(untyped::ContentType::new("application/sdp")));
        }
        let to = self.call.as_ref().map(|call| call.dialog.local.clone());
        self.respond(message, (branch, Method::Invite), code, to, Reply { headers, body }, now);
    }

    /// Answers any other request.
    fn reply(&mut self, message: &SipMessage, envelope: &Envelope, code: u16, reply: Reply, now: Instant) {
        let to = message.to_header().map_or("", |to| to.value());
        let to = match envelope.to_tag {
            Some(_) => to.to_owned(),
            None => format!("{to};tag={}", self.ids.token()),
        };
        self.respond(message, (&envelope.branch, envelope.method), code, Some(to), reply, now);
    }

    fn respond(
        &mut self,
        message: &SipMessage,
        (branch, method): (&str, Method),
        code: u16,
        to: Option<String>,
        reply: Reply,
        now: Instant,
    ) {
        let found = self.servers.iter_mut().find(|s| s.branch == branch && s.method == method);
        let Some(server) = found else { return };
        let mut headers = echoed_headers(message, server.destination);
        headers.extend(to.map(|to| Header::To(untyped::To::new(to))));
        headers.extend(reply.headers);
        headers.push(Header::UserAgent(untyped::UserAgent::new(USER_AGENT)));
        headers.push(Header::ContentLength(untyped::ContentLength::new(reply.body.len().to_string())));
        let response = Response {
            status_code: StatusCode::from(code),
            version: Version::V2,
            headers: headers.into(),
            body: reply.body,
        };
        let bytes: Vec<u8> = response.into();
        server.tx.respond(code, bytes.clone(), now);
        self.transmits.push_back(Transmit { to: server.destination, bytes });
    }
}

fn capabilities() -> Reply {
    let headers = vec![
        Header::Allow(untyped::Allow::new(ALLOW)),
        Header::Accept(untyped::Accept::new("application/sdp")),
    ];
    Reply { headers, body: Vec::new() }
}

/// What a response repeats of its request, with the source filled into the topmost `Via` (RFC 3581).
fn echoed_headers(message: &SipMessage, source: SocketAddrV4) -> Vec<Header> {
    let mut top = true;
    let echo = |header: &Header| match header {
        Header::Via(via) if std::mem::take(&mut top) => {
            Some(Header::Via(untyped::Via::new(with_source(via.value(), source))))
        }
        Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) | Header::RecordRoute(_) => {
            Some(header.clone())
        }
        _ => None,
    };
    wire::headers(message).iter().filter_map(echo).collect()
}

fn with_source(via: &str, source: SocketAddrV4) -> String {
    let mut parts: Vec<String> = via
        .split(';')
        .filter(|part| !part.trim().to_ascii_lowercase().starts_with("received="))
        .map(|part| {
            if part.trim().eq_ignore_ascii_case("rport") {
                format!("rport={}", source.port())
            } else {
                part.to_owned()
            }
        })
        .collect();
    parts.push(format!("received={}", source.ip()));
    parts.join(";")
}
