//! Addresses of this machine and what is lost on the way to them, for tests that have a network of their own.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::thread;

/// Whether this network is a namespace of the tests' own, whose firewall and addresses may be changed.
fn is_private() -> bool {
    let devices = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    devices.lines().skip(2).all(|line| line.trim_start().starts_with("lo:"))
}

fn must(program: &str, words: &str) {
    assert!(is_private(), "run it with `cargo xtask test`, as root: only there it has a network of its own");
    let done = Command::new(program).args(words.split(' ')).status();
    // A test that failed already is to say why.
    assert!(done.is_ok_and(|status| status.success()) || thread::panicking(), "{program} {words}");
}

/// Makes these addresses of this machine.
///
/// # Panics
/// Where this network is not the tests' own.
pub fn take_addresses<'a>(addresses: impl Iterator<Item = &'a Ipv4Addr>) {
    addresses.for_each(|address| must("ip", &format!("addr replace {address}/32 dev lo")));
}

/// A cable that is pulled: an address is elsewhere, as the kernel tells, and nothing arrives there. It is put back when this is
/// dropped.
pub struct Unplugged(Ipv4Addr);

impl Unplugged {
    /// Pulls it.
    ///
    /// # Panics
    /// Where this network is not the tests' own.
    pub fn new(address: Ipv4Addr) -> Self {
        must("ip", &format!("addr del {address}/32 dev lo"));
        must("ip", &format!("route add {address}/32 dev lo"));
        Self(address)
    }
}

impl Drop for Unplugged {
    fn drop(&mut self) {
        must("ip", &format!("route del {}/32 dev lo", self.0));
        take_addresses([self.0].iter());
    }
}

/// An uplink that swallows what is sent to an address and comes from it, without a word of the kernel's, until this is dropped.
pub struct Swallowed(String);

impl Swallowed {
    /// From now on.
    ///
    /// # Panics
    /// Where this network is not the tests' own.
    pub fn new(address: Ipv4Addr) -> Self {
        let table = format!("swallow{}", u32::from(address));
        must("nft", &format!("add table ip {table}"));
        must("nft", &format!("add chain ip {table} lost {{ type filter hook input priority 0 ; }}"));
        for end in ["saddr", "daddr"] {
            must("nft", &format!("add rule ip {table} lost ip {end} {address} drop"));
        }
        Self(table)
    }
}

impl Drop for Swallowed {
    fn drop(&mut self) {
        must("nft", &format!("delete table ip {}", self.0));
    }
}
