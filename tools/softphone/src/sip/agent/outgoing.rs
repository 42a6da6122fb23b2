//! Calls of ours: INVITE, its answers, CANCEL, and BYE for either kind of call.

use std::net::SocketAddrV4;
use std::time::Instant;

use rsip::headers::untyped;
use rsip::message::HeadersExt as _;
use rsip::prelude::UntypedHeader as _;
use rsip::{Header, Method, SipMessage, Uri};

use super::{AgentEvent, Call, Phase, Purpose, Transmit, UserAgent, description, status};
use crate::sdp::{self, LocalMedia, Negotiated};
use crate::sip::dialog::Dialog;
use crate::sip::wire::Envelope;

impl UserAgent {
    /// Calls `extension` at the box and offers `media`.
    ///
    /// # Errors
    /// One line when a call is up already or the extension has characters that a SIP address cannot carry.
    pub fn invite(&mut self, extension: &str, media: LocalMedia, now: Instant) -> Result<(), String> {
        if self.call.is_some() {
            return Err("this phone is in a call: hang up first".into());
        }
        let uri = format!("sip:{extension}@{}", self.account.domain);
        let target =
            Uri::try_from(uri.as_str()).map_err(|_| format!("{extension} is no number that SIP can dial"))?;
        let dialog = Dialog {
            call_id: self.ids.token(),
            local: format!("<sip:{}@{}>;tag={}", self.account.user, self.account.domain, self.ids.token()),
            remote: format!("<{uri}>"),
            target,
            routes: Vec::new(),
            local_cseq: 1,
            remote_cseq: None,
            peer: self.account.server,
        };
        let mut request = dialog.request(Method::Invite, 1, &self.contact_header());
        request.headers.push(Header::ContentType(untyped::ContentType::new("application/sdp")));
        request.body = sdp::offer(&media, 1);
        self.call = Some(Call {
            dialog,
            phase: Phase::Calling,
            target: extension.to_owned(),
            media: Some(media),
            sdp_version: 1,
            agreed: None,
            provisional: false,
            cancel_wanted: false,
            ack: None,
            invite: None,
        });
        let server = self.account.server;
        self.send_request(request, server, Purpose::Invite, (false, 0), now);
        Ok(())
    }

    /// Ends the call in the way its state asks for: CANCEL, a refusal or BYE.
    pub fn hang_up(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        match call.phase {
            Phase::Calling => {
                call.cancel_wanted = true;
                if call.provisional {
                    self.send_cancel(now);
                }
            }
            Phase::Ringing => self.reject(603, now),
            Phase::Active => self.send_bye(now),
            Phase::Ending => {}
        }
    }

    pub(super) fn on_invite_response(
        &mut self,
        at: usize,
        message: &SipMessage,
        code: u16,
        source: SocketAddrV4,
        now: Instant,
    ) {
        let Some(call) = &mut self.call else { return };
        call.dialog.peer = source;
        match code {
            ..200 => self.on_provisional(message, code, now),
            200..=299 => {
                self.clients.remove(at);
                self.on_accepted(message, now);
            }
            _ => {
                let words = status::explain(code, "refused", &self.account.user, &call.target, false);
                self.fail_call(Some(code), words);
            }
        }
    }

    fn on_provisional(&mut self, message: &SipMessage, code: u16, now: Instant) {
        let Some(call) = &mut self.call else { return };
        let first = !std::mem::replace(&mut call.provisional, true);
        if call.cancel_wanted {
            if first {
                self.send_cancel(now);
            }
            return;
        }
        if code > 100 {
            self.events.push_back(AgentEvent::Progress(code));
        }
        if let (Some(Ok(remote)), Some(media)) = (description(message), &call.media)
            && let Ok(agreed) = remote.negotiate(media)
        {
            self.events.push_back(AgentEvent::EarlyMedia(agreed));
        }
    }

    fn on_accepted(&mut self, message: &SipMessage, now: Instant) {
        let Some(call) = &mut self.call else { return };
        call.dialog.learn_from_response(message);
        call.phase = Phase::Active;
        let cancelled = call.cancel_wanted;
        let agreed = match (description(message), &call.media) {
            (Some(remote), Some(media)) => {
                remote.and_then(|remote| remote.negotiate(media)).map_err(|e| e.to_string())
            }
            _ => Err("the other side answered without a session description".into()),
        };
        self.acknowledge();
        match agreed {
            _ if cancelled => self.send_bye(now),
            Ok(agreed) => self.connect(agreed),
            Err(words) => {
                self.send_bye(now);
                self.fail_call(None, words);
            }
        }
    }

    pub(super) fn connect(&mut self, agreed: Negotiated) {
        let Some(call) = &mut self.call else { return };
        call.agreed = Some(agreed.clone());
        self.events.push_back(AgentEvent::Connected(agreed));
    }

    /// ACK of a 2xx: a request of its own, kept for repetitions of the 2xx.
    fn acknowledge(&mut self) {
        let branch = self.ids.branch();
        let Some(call) = &self.call else { return };
        let request = call.dialog.request(Method::Ack, call.dialog.local_cseq, "");
        let to = call.dialog.destination();
        let transmit = Transmit { to, bytes: self.serialise(request, &branch) };
        self.transmits.push_back(transmit.clone());
        if let Some(call) = &mut self.call {
            call.ack = Some(transmit);
        }
    }

    pub(super) fn repeat_ack(&mut self, envelope: &Envelope, code: u16) {
        let Some(call) = &self.call else { return };
        let ours = call.dialog.owns(&envelope.call_id, Some(&envelope.from_tag));
        if ours && envelope.method == Method::Invite && (200..300).contains(&code) {
            self.transmits.extend(call.ack.clone());
        }
    }

    /// ACK of a refusal: the INVITE's own branch and destination, the refusal's `To`.
    pub(super) fn acknowledge_refusal(&mut self, at: usize, message: &SipMessage) {
        let client = &self.clients[at];
        let mut request = client.request.clone();
        let cseq = request
            .cseq_header()
            .map_or_else(|_| String::new(), |cseq| cseq.value().replace("INVITE", "ACK"));
        request.method = Method::Ack;
        request.body.clear();
        request
            .headers
            .retain(|h| !matches!(h, Header::ContentType(_) | Header::Contact(_) | Header::Allow(_)));
        request.headers.unique_push(Header::CSeq(untyped::CSeq::new(cseq)));
        if let Ok(to) = message.to_header() {
            request.headers.unique_push(Header::To(to.clone()));
        }
        let (branch, to) = (client.branch.clone(), client.destination);
        let bytes = self.serialise(request, &branch);
        self.clients[at].ack.clone_from(&bytes);
        self.transmits.push_back(Transmit { to, bytes });
    }

    fn send_cancel(&mut self, now: Instant) {
        let Some(invite) = self.clients.iter().find(|client| client.purpose == Purpose::Invite) else {
            return;
        };
        let (branch, destination) = (invite.branch.clone(), invite.destination);
        let mut request = invite.request.clone();
        let cseq = request
            .cseq_header()
            .map_or_else(|_| String::new(), |cseq| cseq.value().replace("INVITE", "CANCEL"));
        request.method = Method::Cancel;
        request.body.clear();
        request.headers.retain(|h| {
            !matches!(
                h,
                Header::ContentType(_) | Header::Contact(_) | Header::Allow(_) | Header::Authorization(_)
            )
        });
        request.headers.unique_push(Header::CSeq(untyped::CSeq::new(cseq)));
        // A CANCEL is matched by the branch of what it cancels.
        self.send_request(request.clone(), destination, Purpose::Cancel, (false, 0), now);
        let bytes = self.serialise(request, &branch);
        if let (Some(client), Some(transmit)) = (self.clients.last_mut(), self.transmits.back_mut()) {
            client.branch = branch;
            client.bytes.clone_from(&bytes);
            transmit.bytes = bytes;
        }
    }

    pub(super) fn send_bye(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        call.phase = Phase::Ending;
        call.dialog.local_cseq += 1;
        let request = call.dialog.request(Method::Bye, call.dialog.local_cseq, "");
        let destination = call.dialog.destination();
        self.send_request(request, destination, Purpose::Bye, (false, 0), now);
    }
}
