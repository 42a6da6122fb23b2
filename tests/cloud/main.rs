//! The daemon's interpreter room on cloud engines: emulated, strict, and failing in all the ways that real ones do.

mod apps;
mod checking;
mod clouds;
mod conference;
mod credentials;
mod disconnects;
mod failing;
mod feelings;
mod floods;
mod foresight;
mod glossary;
mod interpreting;
mod lines;
mod outage;
mod own_voices;
mod queue;
mod reasons;
mod recording;
mod relay;
mod remembering;
mod repeating;
mod serving;
mod strangers;
mod unanswered;
mod unheard;
mod vendor;
