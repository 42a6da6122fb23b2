//! A small SIP user agent to check a box from a laptop, and to be the caller in a demo.
//!
//! ```no_run
//! use std::time::Duration;
//! use softphone::{Account, AudioOptions, Codec, Phone, PhoneOptions, Recording, Step};
//! # fn main() -> anyhow::Result<()> {
//! let account = Account::new("101", "127.0.0.1:5060", Some("secret".into()))?;
//! let (phone, events) = Phone::start(account, PhoneOptions::default())?;
//! std::thread::spawn(move || events.iter().for_each(|event| println!("{event:?}")));
//! let audio = AudioOptions { record: true, ..AudioOptions::default() };
//! let mut call = phone.dial("700", &[Codec::L16], audio)?;
//! let connected = call.wait_connected(Duration::from_secs(20))?;
//! let hello = Recording::read("hello.wav".as_ref(), connected.codec)?;
//! let script = call.run(vec![
//!     Step::WaitQuiet { quiet_for: Duration::from_millis(700), at_most: Duration::from_secs(15) },
//!     Step::Play(hello),
//!     Step::WaitReply { quiet_after: Duration::from_secs(1), at_most: Duration::from_secs(10) },
//! ])?;
//! let report = call.hang_up()?;
//! println!("{script:?}: heard it after {:?} ms", report.turns[0].reply_at_ear_ms);
//! # Ok(()) }
//! ```
//!
//! Below that shell everything is without a socket and without a clock: [`sip::agent::UserAgent`] takes datagrams and
//! instants, [`media::stream::Stream`] takes packets and ticks, [`media::script::Script`] takes ticks.

pub mod audio;
pub mod cli;
pub mod media;
mod phone;
mod report;
pub mod sdp;
pub mod sip;

pub use audio::wav::Clip;
pub use media::codec::Codec;
pub use media::script::{Recording, Step};
pub use media::session::AudioOptions;
pub use phone::{Account, Call, Connected, Event, Phone, PhoneOptions, ScriptEnd};
pub use report::{CallReport, TurnReport};
pub use sip::agent::EndedBy;
