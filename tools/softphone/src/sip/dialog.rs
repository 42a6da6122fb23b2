//! The state two sides share during a call (RFC 3261 section 12), and the requests built from it.

use std::net::{Ipv4Addr, SocketAddrV4};

use rsip::headers::untyped;
use rsip::message::HeadersExt as _;
use rsip::prelude::UntypedHeader as _;
use rsip::{Header, Method, Request, SipMessage, Uri, Version};

use super::wire::{self, Envelope};

/// The methods this phone answers.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";
/// What it calls itself.
pub const USER_AGENT: &str = concat!("dragoman-phone/", env!("CARGO_PKG_VERSION"));

/// One dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// `Call-ID`.
    pub call_id: String,
    /// `From` of our requests, with our tag.
    pub local: String,
    /// `To` of our requests, with the other side's tag once it is known.
    pub remote: String,
    /// Where requests go: the other side's `Contact`.
    pub target: Uri,
    /// `Route` values, nearest first.
    pub routes: Vec<String>,
    /// Number of our last request.
    pub local_cseq: u32,
    /// Number of the other side's last request.
    pub remote_cseq: Option<u32>,
    /// Where the other side's messages come from: the way out when a host name is in the way.
    pub peer: SocketAddrV4,
}

impl Dialog {
    /// Takes tag, contact and routes from a response to our INVITE.
    pub fn learn_from_response(&mut self, message: &SipMessage) {
        if let Ok(to) = message.to_header() {
            to.value().clone_into(&mut self.remote);
        }
        self.learn_target(message);
        self.routes = record_routes(message);
        self.routes.reverse();
    }

    /// The dialog that an INVITE of the other side opens; `local_tag` is ours. `None` without a usable contact.
    pub fn from_request(
        message: &SipMessage,
        envelope: &Envelope,
        local_tag: &str,
        peer: SocketAddrV4,
    ) -> Option<Self> {
        let target =
            message.contact_header().ok().and_then(|c| Uri::try_from(wire::uri_of(c.value())).ok())?;
        Some(Self {
            call_id: envelope.call_id.clone(),
            local: format!("{};tag={local_tag}", message.to_header().ok()?.value()),
            remote: message.from_header().ok()?.value().to_owned(),
            target,
            routes: record_routes(message),
            local_cseq: 0,
            remote_cseq: Some(envelope.cseq),
            peer,
        })
    }

    /// A new contact in a re-INVITE or a 2xx moves the target.
    pub fn learn_target(&mut self, message: &SipMessage) {
        let contact = message.contact_header().ok().and_then(|c| Uri::try_from(wire::uri_of(c.value())).ok());
        if let Some(target) = contact {
            self.target = target;
        }
    }

    /// Whether a message belongs to this dialog: Call-ID and our tag.
    pub fn owns(&self, call_id: &str, local_tag: Option<&str>) -> bool {
        self.call_id == call_id && local_tag.is_some() && wire::param(&self.local, "tag") == local_tag
    }

    /// Where to send: the nearest route or the target when it is an address, else where the other side's messages
    /// come from.
    pub fn destination(&self) -> SocketAddrV4 {
        let route = self.routes.first().and_then(|route| Uri::try_from(wire::uri_of(route)).ok());
        address_of(route.as_ref().unwrap_or(&self.target)).unwrap_or(self.peer)
    }

    /// A request in this dialog, without `Via`. `cseq` is that of the INVITE for ACK and CANCEL.
    pub fn request(&self, method: Method, cseq: u32, contact: &str) -> Request {
        let mut headers = vec![
            Header::MaxForwards(untyped::MaxForwards::new("70")),
            Header::From(untyped::From::new(self.local.clone())),
            Header::To(untyped::To::new(self.remote.clone())),
            Header::CallId(untyped::CallId::new(self.call_id.clone())),
            Header::CSeq(untyped::CSeq::new(format!("{cseq} {method}"))),
            Header::UserAgent(untyped::UserAgent::new(USER_AGENT)),
        ];
        headers.extend(self.routes.iter().map(|route| Header::Route(untyped::Route::new(route.clone()))));
        if method == Method::Invite {
            headers.push(Header::Contact(untyped::Contact::new(contact)));
            headers.push(Header::Allow(untyped::Allow::new(ALLOW)));
        }
        Request {
            method,
            uri: self.target.clone(),
            version: Version::V2,
            headers: headers.into(),
            body: Vec::new(),
        }
    }
}

fn record_routes(message: &SipMessage) -> Vec<String> {
    wire::values(wire::headers(message), |header| match header {
        Header::RecordRoute(route) => Some(route.value()),
        _ => None,
    })
    .into_iter()
    .flat_map(wire::split_list)
    .map(str::to_owned)
    .collect()
}

/// The IPv4 address in a URI, port 5060 when it names none.
pub fn address_of(uri: &Uri) -> Option<SocketAddrV4> {
    let ip: Ipv4Addr = uri.host().to_string().parse().ok()?;
    let port = uri.port().map_or(5060, |port| *port.value());
    Some(SocketAddrV4::new(ip, port))
}
