//! What is done when engines fail, or parts of the daemon: who is asked, how often, and who serves instead. Pure state
//! machines: the time and every draw of chance are arguments, and no clock is read.
//!
//! Four things are kept, by whoever does the I/O:
//!
//! - one [`Engine`] for each configured engine, shared by all legs: its [`Breaker`], [`RetryBudget`] and [`Health`];
//! - one [`Chain`] for each (leg, stage): which engine of the ordered list serves it now;
//! - one [`Recovery`] for each (leg, stage, engine), or for each request where several are under way: what is next;
//! - one [`Reset`] for each part of the daemon that may die alone: when it is started anew.
//!
//! So there are four tiers: a retry (soft), the engine asked anew beside the calls (hard), another engine (failover), a
//! part of the daemon started anew (reset). What cannot be started anew alone is for whoever runs the daemon.
//!
//! # How to call them
//!
//! 1. Before a request or a connection: [`Engine::ask`], for the last engine of a chain [`Engine::insist`]. Without a
//!    [`Permit`] nothing is sent, be it only to have a connection ready.
//! 2. Whatever came of it goes to [`Engine::answered`], once; then a success to [`Recovery::recovered`], a failure to
//!    [`Recovery::failed`], whose [`Step`] is taken; where a line broke that had served and a new one is made,
//!    [`Recovery::interrupted`] is called instead. A permit whose caller vanished needs no answer.
//! 3. [`Step::Retry`] is a request with [`Engine::ask_again`] at its moment; [`Step::FailOver`] is
//!    [`Chain::fail_over`], whose outcome [`Recovery::failed_over`] learns.
//! 4. Before each clause, and whenever a breaker may have moved: [`Chain::choose`], which also goes back to a better
//!    engine, whose [`Recovery::recovered`] is then called: it was proven meanwhile.
//! 5. At [`Engine::next_probe`] an engine that nobody uses is probed: [`Engine::ask_again`], a short request, step 2. Where
//!    it had failed, the probe is the second tier: it uses nothing of what was known, and is counted with its outcome.
//! 6. Of a part that died, [`Reset::died`] is told, and it is started anew at the moment that this names. Where it lives
//!    at [`Reset::mended_at`], or ends in order, [`Reset::mended`] is told.
//!
//! ```
//! use std::time::Duration;
//! use audio_path::Timestamp;
//! use session::recovery::{Chain, Engine, Failed, Failure, Recovery, Serving, Step};
//!
//! let now = Timestamp::from_nanos(1_000_000_000);
//! let (mut cloud, device) = (Engine::new(), Engine::new());
//! let (mut chain, mut recovery) = (Chain::new(2).expect("two engines"), Recovery::new());
//!
//! // The key is wrong: no second try, the engine on the device serves at once.
//! let permit = cloud.ask(now).expect("nothing is held against it");
//! let failure = Failure::Fatal;
//! cloud.answered(now, permit, Err(failure));
//! let failed = Failed { failure, deadline: now + Duration::from_secs(2), spare: true, draw: 0 };
//! assert_eq!(recovery.failed(now, &mut cloud, failed), Some(Step::FailOver));
//! assert_eq!(chain.fail_over(now, 0, &[cloud.standing(), device.standing()]), Serving::Engine(1));
//! assert!(cloud.ask(now).is_none());
//! ```

mod backoff;
mod breaker;
mod budget;
mod chain;
mod engine;
mod failure;
mod health;
mod reset;
mod step;
mod tiers;

pub use backoff::Backoff;
pub use breaker::{Breaker, BreakerState, Permit};
pub use budget::RetryBudget;
pub use chain::{Chain, Serving};
pub use engine::{Engine, Standing};
pub use failure::Failure;
pub use health::{Health, HealthState};
pub use reset::Reset;
pub use step::{Failed, RecoveryCounts, Step, Tier};
pub use tiers::Recovery;
