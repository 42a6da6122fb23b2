/// Where a leg is between its first ringing and its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LegState {
    /// Nothing is known of it yet.
    #[default]
    Idle,
    /// Its pipes are there, or its phone rings, and nobody is heard yet.
    Ringing,
    /// Audio passes.
    Connected,
    /// What is said is translated.
    Translating,
    /// A side hangs up.
    Disconnecting,
    /// It is over: nothing follows.
    Disconnected,
    /// It cannot be served, while its phone is still there.
    Error,
}

/// What changes a leg's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// It rings.
    Rings,
    /// It is there, through a port that Asterisk knows nothing of.
    Comes,
    /// Its phone is answered, or the media thread serves it.
    Answered,
    /// Its session begins or ceases to translate.
    Translates(bool),
    /// It cannot be served.
    Failed,
    /// Somebody hangs up.
    HangsUp,
    /// Its pipes, or its channel, are gone.
    Gone,
}

impl LegState {
    /// The state that follows.
    #[must_use]
    pub const fn after(self, event: LegEvent) -> Self {
        use LegState::{Connected, Disconnected, Disconnecting, Error, Idle, Ringing, Translating};
        match (self, event) {
            (Disconnected, _) | (_, LegEvent::Gone) => Disconnected,
            (Disconnecting, _) | (_, LegEvent::HangsUp) => Disconnecting,
            (_, LegEvent::Failed) => Error,
            (Idle, LegEvent::Rings | LegEvent::Comes) => Ringing,
            (_, LegEvent::Translates(true)) => Translating,
            (Idle | Ringing | Error, LegEvent::Answered) | (Translating, LegEvent::Translates(false)) => {
                Connected
            }
            (state, LegEvent::Rings | LegEvent::Comes | LegEvent::Answered | LegEvent::Translates(false)) => {
                state
            }
        }
    }

    /// Its name in lines and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ringing => "ringing",
            Self::Connected => "connected",
            Self::Translating => "translating",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_event() -> impl Strategy<Value = LegEvent> {
        prop_oneof![
            Just(LegEvent::Rings),
            Just(LegEvent::Comes),
            Just(LegEvent::Answered),
            any::<bool>().prop_map(LegEvent::Translates),
            Just(LegEvent::Failed),
            Just(LegEvent::HangsUp),
            Just(LegEvent::Gone),
        ]
    }

    #[test]
    fn a_call_takes_its_course() {
        let course = [
            (LegEvent::Rings, LegState::Ringing),
            (LegEvent::Answered, LegState::Connected),
            (LegEvent::Translates(true), LegState::Translating),
            (LegEvent::Answered, LegState::Translating),
            (LegEvent::Translates(false), LegState::Connected),
            (LegEvent::Failed, LegState::Error),
            (LegEvent::Answered, LegState::Connected),
            (LegEvent::HangsUp, LegState::Disconnecting),
            (LegEvent::Gone, LegState::Disconnected),
        ];
        let mut state = LegState::default();
        for (event, expected) in course {
            state = state.after(event);
            assert_eq!(state, expected, "after {event:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_over_stays_over(events in proptest::collection::vec(any_event(), 0..40)) {
            let (mut state, mut ending) = (LegState::default(), false);
            for event in events {
                let before = state;
                state = state.after(event);
                prop_assert!(before != LegState::Disconnected || state == LegState::Disconnected);
                ending |= matches!(event, LegEvent::HangsUp | LegEvent::Gone);
                let ends = matches!(state, LegState::Disconnecting | LegState::Disconnected);
                prop_assert_eq!(ends, ending, "{:?} after {:?}", state, event);
                prop_assert!(state != LegState::Translating || matches!(
                    (before, event), (_, LegEvent::Translates(true)) | (LegState::Translating, _)));
            }
        }
    }
}
