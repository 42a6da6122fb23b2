//! Retransmission as RFC 3261 section 17 has it, for UDP. Time is an argument.
//!
//! A transaction holds no socket: whoever owns it sends what it says and asks [`next_timer`] when to come back.
//!
//! [`next_timer`]: ClientTransaction::next_timer

use std::time::{Duration, Instant};

/// Estimate of the round trip.
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions of anything but an INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, D, F, H and J.
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// An INVITE waits for a person, everything else for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// INVITE.
    Invite,
    /// Any other method.
    Other,
}

/// What a timer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerAction {
    /// Not due.
    Wait,
    /// Send the message again.
    Retransmit,
    /// The other side never answered.
    TimedOut,
    /// Finished: forget the transaction.
    Terminated,
}

/// What a response means to a client transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseAction {
    /// New: pass it on.
    Deliver,
    /// A repetition: swallow it.
    Absorb,
    /// A repeated final answer to an INVITE: acknowledge it again.
    AcknowledgeAgain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientState {
    Calling,
    Proceeding,
    Completed,
}

/// A request of ours that waits for its final answer.
#[derive(Debug)]
pub struct ClientTransaction {
    kind: Kind,
    state: ClientState,
    interval: Duration,
    retransmit_at: Option<Instant>,
    deadline: Option<Instant>,
}

impl ClientTransaction {
    /// Starts timers A and B, or E and F; the caller has sent the request at `now`.
    pub fn new(kind: Kind, now: Instant) -> Self {
        Self {
            kind,
            state: ClientState::Calling,
            interval: T1,
            retransmit_at: Some(now + T1),
            deadline: Some(now + GIVE_UP),
        }
    }

    /// When [`on_timer`](Self::on_timer) wants to be called.
    pub fn next_timer(&self) -> Option<Instant> {
        earliest(self.retransmit_at, self.deadline)
    }

    /// Takes a response with status `code`.
    pub fn on_response(&mut self, code: u16, now: Instant) -> ResponseAction {
        match (self.state, self.kind, code) {
            (ClientState::Completed, Kind::Invite, 300..) => ResponseAction::AcknowledgeAgain,
            (ClientState::Completed, ..) => ResponseAction::Absorb,
            (_, Kind::Invite, ..200) => {
                self.state = ClientState::Proceeding;
                (self.retransmit_at, self.deadline) = (None, None);
                ResponseAction::Deliver
            }
            (_, Kind::Other, ..200) => {
                self.state = ClientState::Proceeding;
                self.interval = T2;
                ResponseAction::Deliver
            }
            (_, kind, _) => {
                self.state = ClientState::Completed;
                self.retransmit_at = None;
                self.deadline = Some(now + if kind == Kind::Invite { GIVE_UP } else { T4 });
                ResponseAction::Deliver
            }
        }
    }

    /// What is due at `now`.
    pub fn on_timer(&mut self, now: Instant) -> TimerAction {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.retransmit_at = None;
            return match self.state {
                ClientState::Completed => TimerAction::Terminated,
                _ => TimerAction::TimedOut,
            };
        }
        if self.retransmit_at.is_none_or(|at| at > now) {
            return TimerAction::Wait;
        }
        self.interval *= 2;
        if self.kind == Kind::Other {
            self.interval = self.interval.min(T2);
        }
        self.retransmit_at = Some(now + self.interval);
        TimerAction::Retransmit
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerState {
    Proceeding,
    Completed,
    Confirmed,
}

/// A request of the other side that we answer.
#[derive(Debug)]
pub struct ServerTransaction {
    kind: Kind,
    state: ServerState,
    response: Option<Vec<u8>>,
    interval: Duration,
    retransmit_at: Option<Instant>,
    deadline: Option<Instant>,
}

impl ServerTransaction {
    /// For a request that has just come.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            state: ServerState::Proceeding,
            response: None,
            interval: T1,
            retransmit_at: None,
            deadline: None,
        }
    }

    /// Keeps a response that is being sent at `now`, to repeat it. A final answer to an INVITE, 2xx included, is
    /// repeated (timer G) until it is acknowledged or given up (timer H).
    pub fn respond(&mut self, code: u16, response: Vec<u8>, now: Instant) {
        self.response = Some(response);
        if code < 200 {
            return;
        }
        self.state = ServerState::Completed;
        self.deadline = Some(now + GIVE_UP);
        if self.kind == Kind::Invite {
            self.retransmit_at = Some(now + T1);
        }
    }

    /// The bytes to send again when the same request comes once more.
    pub fn response(&self) -> Option<&[u8]> {
        self.response.as_deref().filter(|_| self.state != ServerState::Confirmed)
    }

    /// An ACK for our final answer has come. True the first time.
    pub fn on_ack(&mut self, now: Instant) -> bool {
        if self.kind != Kind::Invite || self.state != ServerState::Completed {
            return false;
        }
        self.state = ServerState::Confirmed;
        self.retransmit_at = None;
        self.deadline = Some(now + T4);
        true
    }

    /// When [`on_timer`](Self::on_timer) wants to be called.
    pub fn next_timer(&self) -> Option<Instant> {
        earliest(self.retransmit_at, self.deadline)
    }

    /// What is due at `now`.
    pub fn on_timer(&mut self, now: Instant) -> TimerAction {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            let unacknowledged = self.kind == Kind::Invite && self.state == ServerState::Completed;
            return if unacknowledged { TimerAction::TimedOut } else { TimerAction::Terminated };
        }
        if self.retransmit_at.is_none_or(|at| at > now) {
            return TimerAction::Wait;
        }
        self.interval = (self.interval * 2).min(T2);
        self.retransmit_at = Some(now + self.interval);
        TimerAction::Retransmit
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the timers until nothing is left; milliseconds and actions.
    fn run(
        mut next: impl FnMut(Option<Instant>) -> (Option<Instant>, TimerAction),
        start: Instant,
    ) -> Vec<(u128, TimerAction)> {
        let mut log = Vec::new();
        let (mut at, _) = next(None);
        while let Some(now) = at {
            let (following, action) = next(Some(now));
            log.push(((now - start).as_millis(), action));
            at = following;
        }
        log
    }

    fn run_client(tx: &mut ClientTransaction, start: Instant) -> Vec<(u128, TimerAction)> {
        run(
            |now| {
                let action = now.map_or(TimerAction::Wait, |now| tx.on_timer(now));
                (tx.next_timer(), action)
            },
            start,
        )
    }

    fn times(log: &[(u128, TimerAction)], wanted: TimerAction) -> Vec<u128> {
        log.iter().filter(|(_, action)| *action == wanted).map(|(at, _)| *at).collect()
    }

    #[test]
    fn timers_a_and_b_double_until_32_seconds() {
        let start = Instant::now();
        let log = run_client(&mut ClientTransaction::new(Kind::Invite, start), start);
        assert_eq!(times(&log, TimerAction::Retransmit), [500, 1500, 3500, 7500, 15500, 31500]);
        assert_eq!(times(&log, TimerAction::TimedOut), [32000]);
    }

    #[test]
    fn timers_e_and_f_stop_doubling_at_4_seconds() {
        let start = Instant::now();
        let log = run_client(&mut ClientTransaction::new(Kind::Other, start), start);
        let expected = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
        assert_eq!(times(&log, TimerAction::Retransmit), expected);
        assert_eq!(times(&log, TimerAction::TimedOut), [32000]);
    }

    #[test]
    fn a_provisional_answer_silences_an_invite_and_slows_the_rest() {
        let start = Instant::now();
        let mut invite = ClientTransaction::new(Kind::Invite, start);
        assert_eq!(invite.on_response(180, start), ResponseAction::Deliver);
        assert_eq!(invite.next_timer(), None);

        let mut bye = ClientTransaction::new(Kind::Other, start);
        bye.on_response(100, start);
        let log = run_client(&mut bye, start);
        assert_eq!(times(&log, TimerAction::Retransmit)[..3], [500, 4500, 8500]);
        assert_eq!(times(&log, TimerAction::TimedOut), [32000]);
    }

    #[test]
    fn a_final_answer_is_delivered_once() {
        let start = Instant::now();
        let mut invite = ClientTransaction::new(Kind::Invite, start);
        assert_eq!(invite.on_response(486, start), ResponseAction::Deliver);
        assert_eq!(invite.on_response(486, start), ResponseAction::AcknowledgeAgain);
        assert_eq!(run_client(&mut invite, start), [(32000, TimerAction::Terminated)]);

        let mut bye = ClientTransaction::new(Kind::Other, start);
        bye.on_response(200, start);
        assert_eq!(bye.on_response(200, start), ResponseAction::Absorb);
        assert_eq!(run_client(&mut bye, start), [(5000, TimerAction::Terminated)]);
    }

    #[test]
    fn timers_g_and_h_repeat_an_answer_until_it_is_acknowledged() {
        let start = Instant::now();
        let mut tx = ServerTransaction::new(Kind::Invite);
        tx.respond(180, b"180".to_vec(), start);
        assert_eq!((tx.next_timer(), tx.response()), (None, Some(&b"180"[..])));
        tx.respond(200, b"200".to_vec(), start);
        let mut log = Vec::new();
        while let Some(now) = tx.next_timer() {
            let action = tx.on_timer(now);
            log.push(((now - start).as_millis(), action));
            if action == TimerAction::TimedOut {
                break;
            }
        }
        let expected = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
        assert_eq!(times(&log, TimerAction::Retransmit), expected);
        assert_eq!(times(&log, TimerAction::TimedOut), [32000]);

        let mut tx = ServerTransaction::new(Kind::Invite);
        tx.respond(486, b"486".to_vec(), start);
        assert!(tx.on_ack(start));
        assert!(!tx.on_ack(start));
        assert_eq!(tx.response(), None);
        assert_eq!(tx.on_timer(start + T4), TimerAction::Terminated);
    }

    #[test]
    fn timer_j_keeps_an_answer_for_repeated_requests() {
        let start = Instant::now();
        let mut tx = ServerTransaction::new(Kind::Other);
        tx.respond(200, b"200".to_vec(), start);
        assert_eq!(tx.response(), Some(&b"200"[..]));
        assert_eq!(tx.on_timer(start + T2), TimerAction::Wait);
        assert_eq!(tx.on_timer(start + GIVE_UP), TimerAction::Terminated);
    }
}
