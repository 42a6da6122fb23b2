use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::tries::{BAN, KNOWN, Source};

const RULES: &str = include_str!("firewall.nft");

/// The rules; these addresses are never limited as strangers are.
pub(crate) fn set_up(trusted: &[Network]) -> Result<(), String> {
    let trust = |network: &Network| format!("add element inet dragoman_guard trusted4 {{ {network} }}\n");
    nft(&trusted.iter().map(trust).fold(RULES.to_owned(), |rules, element| rules + &element))
}

/// Addresses of IPv4 that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: Ipv4Addr,
    bits: u8,
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        let bits = bits.parse().ok().filter(|bits| (8..=32).contains(bits));
        let address: Option<Ipv4Addr> = address.parse().ok();
        let (address, bits) =
            address.zip(bits).ok_or("write an IPv4 address, or a network such as 203.0.113.0/24")?;
        let above = u32::BITS - u32::from(bits);
        Ok(Self { first: Ipv4Addr::from_bits(address.to_bits() >> above << above), bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// What the kernel is to know of those who told passwords.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) banned: Vec<Source>,
    pub(crate) known: Vec<IpAddr>,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.banned.is_empty() && self.known.is_empty()
    }

    fn commands(&self) -> String {
        let ban = |source: &Source| {
            let set = match source {
                Source::V4(_) => "banned4",
                Source::V6(_) => "banned6",
            };
            format!("add element inet dragoman_guard {set} {{ {source} timeout {}s }}\n", BAN.as_secs())
        };
        // One that is there keeps the time it was given, and one that is not there cannot be taken away.
        let know = |address: &IpAddr| {
            let set = if address.is_ipv4() { "known4" } else { "known6" };
            let element = |word: &str, more: &str| {
                format!("{word} element inet dragoman_guard {set} {{ {address}{more} }}\n")
            };
            let timeout = format!(" timeout {}s", KNOWN.as_secs());
            element("add", &timeout) + &element("delete", "") + &element("add", &timeout)
        };
        self.banned.iter().map(ban).chain(self.known.iter().map(know)).collect()
    }
}

/// All in one go: one process, however many they are.
pub(crate) fn tell(news: &News) -> Result<(), String> {
    nft(&news.commands())
}

fn nft(commands: &str) -> Result<(), String> {
    run(commands).map_err(|error| format!("nft: {error}; it needs nftables and CAP_NET_ADMIN"))
}

fn run(commands: &str) -> Result<(), String> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let sent = child.stdin.take().map(|mut stdin| stdin.write_all(commands.as_bytes()));
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("it failed").to_owned());
    }
    sent.transpose().map(|_| ()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_trusted_is_an_address_or_a_network() {
        let read = |text: &str| text.parse::<Network>().map(|network| network.to_string());
        assert_eq!(read("203.0.113.7"), Ok("203.0.113.7/32".to_owned()));
        assert_eq!(read("203.0.113.7/24"), Ok("203.0.113.0/24".to_owned()));
        for bad in ["", "0.0.0.0/0", "fd00::1", "203.0.113.0/33", "a } ; flush ruleset"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_of_the_lan_is_so_for_asterisk_as_well_and_is_told_as_long_as_others() {
        let conf = include_str!("../../../asterisk-conf/pjsip.conf");
        let permitted = conf.lines().filter_map(|line| line.strip_prefix("permit = "));
        let mut permitted: Vec<_> = permitted.filter(|network| !network.contains(':')).collect();
        permitted.sort_unstable();
        assert!(RULES.contains(&format!("ip saddr != {{ {} }} update @outside4 ", permitted.join(", "))));
        let (_, outside) = RULES.split_once("set outside4 {").unwrap();
        let (outside, _) = outside.split_once('}').unwrap();
        assert!(outside.contains(&format!("timeout {}h", crate::lately::LATELY.as_secs() / 3_600)));
    }

    #[test]
    fn who_is_banned_or_known_is_an_element_of_its_set() {
        let sources = ["10.0.0.9", "fd00::1"].map(|text| Source::of(text.parse().unwrap()).unwrap());
        let news = News { banned: sources.to_vec(), known: vec!["fd00::2".parse().unwrap()] };
        assert_eq!(
            news.commands(),
            "add element inet dragoman_guard banned4 { 10.0.0.9 timeout 900s }\n\
             add element inet dragoman_guard banned6 { fd00::/64 timeout 900s }\n\
             add element inet dragoman_guard known6 { fd00::2 timeout 7200s }\n\
             delete element inet dragoman_guard known6 { fd00::2 }\n\
             add element inet dragoman_guard known6 { fd00::2 timeout 7200s }\n"
        );
    }
}
