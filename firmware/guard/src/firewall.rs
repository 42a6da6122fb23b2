use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::tries::{BAN, Source};

const RULES: &str = include_str!("firewall.nft");

pub(crate) fn set_up() -> Result<(), String> {
    nft(RULES)
}

/// All in one go: one process, however many are banned.
pub(crate) fn ban(sources: &[Source]) -> Result<(), String> {
    nft(&elements(sources))
}

fn elements(sources: &[Source]) -> String {
    let line = |source: &Source| {
        let set = match source {
            Source::V4(_) => "banned4",
            Source::V6(_) => "banned6",
        };
        format!("add element inet dragoman_guard {set} {{ {source} timeout {}s }}\n", BAN.as_secs())
    };
    sources.iter().map(line).collect()
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
    fn bans_are_elements_of_their_sets() {
        let sources = ["10.0.0.9", "fd00::1"].map(|text| Source::of(text.parse().unwrap()).unwrap());
        assert_eq!(
            elements(&sources),
            "add element inet dragoman_guard banned4 { 10.0.0.9 timeout 900s }\n\
             add element inet dragoman_guard banned6 { fd00::/64 timeout 900s }\n"
        );
    }
}
