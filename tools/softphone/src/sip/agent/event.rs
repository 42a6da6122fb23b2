//! What goes in and out of the user agent.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::sdp::Negotiated;
use crate::sip::digest::Credentials;

/// Who the phone is and where it belongs.
#[derive(Debug, Clone)]
pub struct Account {
    /// Extension: user part of `From` and `Contact`.
    pub user: String,
    /// Host of the box as in SIP addresses, with a port unless 5060.
    pub domain: String,
    /// The box.
    pub server: SocketAddrV4,
    /// For digest challenges.
    pub credentials: Option<Credentials>,
    /// Our own address.
    pub local: SocketAddrV4,
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Destination.
    pub to: SocketAddrV4,
    /// The whole message.
    pub bytes: Vec<u8>,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// This phone.
    Local,
    /// The other side.
    Remote,
    /// Nobody: the other side stopped answering.
    Timeout,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// The box knows where we are, for that long.
    Registered(Duration),
    /// The box has forgotten us, as wished.
    Unregistered,
    /// The box refused; one line that says what to do.
    RegistrationFailed(String),
    /// A provisional answer (180 rings).
    Progress(u16),
    /// Audio before the answer: an announcement or a ringing tone.
    EarlyMedia(Negotiated),
    /// Somebody calls; `from` is his extension.
    Incoming {
        /// Caller's user part.
        from: String,
    },
    /// The call is up.
    Connected(Negotiated),
    /// The other side changed the stream (hold, another address).
    MediaChanged(Negotiated),
    /// The call did not come about; code of the answer, if there was one, and one line that says what to do.
    Failed {
        /// SIP status.
        code: Option<u16>,
        /// What to do.
        message: String,
    },
    /// The call is over.
    Ended(EndedBy),
}
