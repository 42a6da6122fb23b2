//! Asterisk channel driver: SLIN16 over two FIFOs.
//!
//! `Dial(SlinPipe/<id>)` makes `<id>_in.pcm` (from the caller) and `<id>_out.pcm` (to the caller) in the directory that
//! `slinpipe.conf` names, rings until another process writes the first frame, then carries 20 ms frames of 640 bytes each
//! way until either side hangs up. The writer paces: the FIFO itself is the channel's descriptor, no timer runs.
//!
//! The decisions are in modules without Asterisk ([`id`], [`config`], [`fifo`], [`reassembly`], [`leg`], [`table`]) and are
//! tested as ordinary Rust. Only [`channel`], [`cli`], [`module`] and [`selftest`] call Asterisk, with the little `unsafe`
//! that this takes; a unit-test program cannot link them, as the symbols are in Asterisk.

#![cfg_attr(
    test,
    expect(dead_code, reason = "what calls these needs Asterisk's symbols, which a test program lacks")
)]

mod config;
mod fifo;
mod id;
mod keys;
mod leg;
mod reassembly;
mod table;

#[cfg(not(test))]
mod asterisk;
#[cfg(not(test))]
mod channel;
#[cfg(not(test))]
mod cli;
#[cfg(not(test))]
mod module;
#[cfg(all(not(test), asterisk_tests))]
mod selftest;
