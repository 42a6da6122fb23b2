//! Rooms: voice activity, utterances, the commit policy and ordered playback, of one phone's leg with two languages and
//! of several legs with one each. No I/O, no clock, no thread: bytes and time go in, actions come out.
//!
//! # How to call it
//!
//! 1. [`Interpreter::handle`] takes what happened and when.
//! 2. [`Interpreter::poll_action`] until `None`: carry out each [`Action`] in that order. Their results are inputs of
//!    a later call; none is expected at once.
//! 3. Sleep until something happens or [`Interpreter::next_deadline`] comes, which is an [`Input::Tick`]. Again.
//!
//! Engines may answer in any order, late, twice or never: utterances and segments carry numbers, each stage has a
//! deadline, and answers that nobody waits for are counted and dropped.
//!
//! ```
//! use audio_path::{SegmentId, Timestamp};
//! use session::room::Pace;
//! use session::{Action, Event, Input, Interpreter, LanguagePair, Manner};
//!
//! let (english, spanish) = ("en".parse()?, "es".parse()?);
//! let pair = LanguagePair::new(english, spanish).expect("the languages differ");
//! let mut room = Interpreter::new(pair, Manner::Consecutive);
//! let now = Timestamp::from_nanos(1_000_000_000);
//!
//! // The phone is there: first the caller is told that a machine translates, in both languages.
//! room.handle(now, Input::Connected);
//! let mut texts = Vec::new();
//! while let Some(action) = room.poll_action() {
//!     if let Action::Speak { segment, text, language } = action {
//!         texts.push((segment, text, language));
//!     }
//! }
//! assert_eq!(texts.iter().map(|(_, _, language)| *language).collect::<Vec<_>>(), [english, spanish]);
//! assert!(room.next_deadline().is_some_and(|deadline| deadline > now), "the speech engine has until then");
//!
//! // The second half is ready first; playback keeps the order.
//! room.handle(now, Input::SpeechReady { segment: texts[1].0 });
//! assert_eq!(room.poll_action(), None);
//! room.handle(now, Input::SpeechReady { segment: texts[0].0 });
//! assert_eq!(room.poll_action(), Some(Action::Play { segment: texts[0].0, pace: Pace::Usual }));
//!
//! // When both were heard, the room listens.
//! room.handle(now, Input::PlaybackEnded { segment: texts[0].0 });
//! room.handle(now, Input::PlaybackEnded { segment: texts[1].0 });
//! let actions: Vec<_> = std::iter::from_fn(|| room.poll_action()).collect();
//! assert!(actions.contains(&Action::Emit(Event::Listening)));
//!
//! // An answer that nobody waits for does nothing, and is counted.
//! room.handle(now, Input::Translated { segment: SegmentId(99), text: "¿Qué?" });
//! assert_eq!((room.poll_action(), room.discards().late_answers), (None, 1));
//! # Ok::<(), session::NotALanguage>(())
//! ```
//!
//! # Several phones
//!
//! A [`Room`](room::Room) is called in the same way, with the leg that something happened on. What it wants are
//! [`Order`](room::Order)s: an action of some leg's engines, or who is to hear what.
//!
//! ```
//! use audio_path::{LegId, Timestamp};
//! use session::room::{Order, Original, Room, Rules};
//! use session::{Action, Input};
//!
//! let [anna, ben] = [LegId(1), LegId(2)];
//! let mut room = Room::new(Rules { ends_with_the_first_to_leave: true, ..Rules::default() });
//! let now = Timestamp::from_nanos(1_000_000_000);
//! let orders = |room: &mut Room| std::iter::from_fn(|| room.poll()).collect::<Vec<_>>();
//!
//! // Who is alone has nobody to be translated for.
//! room.join(now, anna, "en".parse()?);
//! assert_eq!(orders(&mut room), []);
//!
//! // Somebody with another language came: both are told of the machine, each in his language, and hear each other's
//! // voices softly.
//! room.join(now, ben, "es".parse()?);
//! let both = orders(&mut room);
//! let ducked = |leg| vec![(leg, Original::Ducked { louder_db: 0 })];
//! assert!(both.contains(&Order::Hear { listener: anna, originals: ducked(ben) }));
//! assert!(both.contains(&Order::Hear { listener: ben, originals: ducked(anna) }));
//! let told = both.iter().find_map(|order| match order {
//!     Order::Do { leg, action: Action::Speak { segment, text, .. } } if *leg == ben => Some((*segment, text)),
//!     _ => None,
//! });
//! let (segment, text) = told.expect("he is told");
//! assert_eq!(text, "Una máquina traduce esta llamada. Asterisco para ayuda.");
//!
//! // It is played to him alone, once it is spoken.
//! room.handle(now, ben, Input::SpeechReady { segment });
//! let played = orders(&mut room);
//! assert!(matches!(&played[..], [Order::Play { listeners, .. }] if listeners[0].0 == ben && listeners.len() == 1));
//!
//! // When one leaves, a call of two is over.
//! room.leave(now, anna);
//! assert_eq!(orders(&mut room).last(), Some(&Order::Dismiss { leg: ben }));
//! room.leave(now, ben);
//! assert!(room.is_empty());
//! # Ok::<(), session::NotALanguage>(())
//! ```

mod align;
mod announcement;
mod ear;
mod foresight;
mod gate;
mod interpreter;
mod keys;
mod language;
mod message;
mod outage;
mod outbox;
mod own_voice;
mod phrases;
pub mod recovery;
pub mod room;
mod segment;
mod speaking;
mod talker;
mod telling;
mod track;
mod transcript;
mod turns;
mod voice;
mod voices;

pub use announcement::announcement;
pub use ear::FrameCounts;
pub use gate::ECHO_TAIL;
pub use interpreter::{Interpreter, Manner};
pub use language::{Language, LanguagePair, NotALanguage};
pub use message::{Action, Component, Cue, Event, Input, Latency, UtteranceId};
pub use outbox::Discards;
pub use own_voice::{OwnVoice, VoiceState};
pub use telling::{Telling, Text, Unsaid};
pub use voice::END_OF_SPEECH;
pub use voices::{Seat, Voices};
