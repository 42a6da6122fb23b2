//! Whom the kernel keeps out, as `nft` tells it: bans outlast this program, and may be lifted by hand.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::lately::{LATELY, Outsider};
use crate::tries::Source;

/// Asked one by one: nft 1.0 finds none but the last of several.
const SETS: [&str; 3] = ["banned4", "banned6", "outside4"];

/// What the sets hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// Who is banned, and for how much longer.
    pub banned: Vec<(Source, Duration)>,
    /// Who came from outside the LAN within [`LATELY`].
    pub outside: Vec<Outsider>,
}

#[derive(Deserialize)]
struct Output {
    nftables: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    set: Option<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    /// Some may be of somebody's own making, who knows of them.
    #[serde(default)]
    elem: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Element {
    elem: Timed,
}

#[derive(Deserialize)]
struct Timed {
    val: Key,
    expires: u64,
    counter: Option<Counter>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Key {
    Address(IpAddr),
    Network { prefix: Prefix },
}

#[derive(Deserialize)]
struct Prefix {
    addr: IpAddr,
}

#[derive(Deserialize)]
struct Counter {
    packets: u64,
}

impl Sets {
    /// Asks the kernel.
    pub(crate) fn read() -> Result<Self, String> {
        let mut sets = Self::default();
        for name in SETS {
            let list = ["-j", "list", "set", "inet", "dragoman_guard", name];
            let output = Command::new("nft").args(list).output().map_err(|error| format!("nft: {error}"))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("nft: {}", said.lines().next().unwrap_or("it failed")));
            }
            sets.parse(&output.stdout)
                .map_err(|error| format!("nft tells what is not understood: {error}"))?;
        }
        Ok(sets)
    }

    fn parse(&mut self, text: &[u8]) -> serde_json::Result<()> {
        let output: Output = serde_json::from_slice(text)?;
        output.nftables.into_iter().filter_map(|entry| entry.set).for_each(|set| self.take(set));
        Ok(())
    }

    fn take(&mut self, Set { name, elem }: Set) {
        for Element { elem: Timed { val, expires, counter } } in
            elem.into_iter().filter_map(|element| serde_json::from_value(element).ok())
        {
            let (Key::Address(address) | Key::Network { prefix: Prefix { addr: address } }) = val;
            let rest = Duration::from_secs(expires);
            if name == "outside4" {
                let packets = counter.map_or(1, |counter| counter.packets);
                self.outside.push(Outsider { address, packets, ago: LATELY.saturating_sub(rest) });
            } else {
                self.banned.extend(Source::of(address).map(|source| (source, rest)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = r#"{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}"#;

    #[test]
    fn what_nft_tells_is_understood() {
        let set = |name: &str, elem: &str| {
            format!(
                r#"{{"set": {{"family": "inet", "name": "{name}", "table": "dragoman_guard", "flags": ["timeout"]{elem}}}}}"#
            )
        };
        let banned4 = set(
            "banned4",
            r#", "elem": [{"elem": {"val": "10.9.0.2", "timeout": 900, "expires": 897}}, "10.9.0.99"]"#,
        );
        let banned6 = set(
            "banned6",
            r#", "elem": [{"elem": {"val": {"prefix": {"addr": "fd00::", "len": 64}}, "timeout": 900, "expires": 5}}]"#,
        );
        let outside4 = set(
            "outside4",
            r#", "elem": [{"elem": {"val": "203.0.113.9", "expires": 3590, "counter": {"packets": 7, "bytes": 9}}}]"#,
        );
        let wanted = Sets {
            banned: [("10.9.0.2", 897), ("fd00::", 5)]
                .map(|(address, rest)| {
                    (Source::of(address.parse().unwrap()).unwrap(), Duration::from_secs(rest))
                })
                .to_vec(),
            outside: vec![Outsider {
                address: "203.0.113.9".parse().unwrap(),
                packets: 7,
                ago: Duration::from_secs(10),
            }],
        };
        let mut sets = Sets::default();
        for set in [&banned4, &banned6, &outside4, &set("banned4", "")] {
            sets.parse(format!(r#"{{"nftables": [{META}, {set}]}}"#).as_bytes()).unwrap();
        }
        assert_eq!(sets, wanted);
        assert!(sets.parse(b"nothing").is_err());
    }
}
