//! The shipped configuration with the values of one run: directories, addresses and ports. A value that a shipped file no
//! longer sets is an error, so that the list below stays true.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Ari, Options, Phone};

/// Copies the configuration, with the values of this run in the place of the box's.
pub(super) fn render(options: &Options, ari: &Ari) -> Result<()> {
    let entries = fs::read_dir(&options.configuration)
        .with_context(|| format!("no configuration in {}", options.configuration.display()))?;
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let mut text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for (key, value) in values(options, name) {
            text = replace(&text, key, &value).with_context(|| format!("in {}", path.display()))?;
        }
        write_private(&options.etc().join(name), &text)?;
    }
    write_private(&options.etc().join("phones.conf"), &phones(options))?;
    let user = format!("[{}]\ntype = user\npassword = {}\n", ari.user, ari.password);
    write_private(&options.etc().join("ari-users.conf"), &user)?;
    let guard = format!("[guard](guard-template)\nsecret = {}\n", ari.password);
    write_private(&options.etc().join("manager-users.conf"), &guard)
}

/// The values of a shipped file that belong to the box.
fn values(options: &Options, file: &str) -> Vec<(&'static str, String)> {
    let home = |name: &str| options.home().join(name).display().to_string();
    let tree = |name: &str| options.prefix.path(name).display().to_string();
    match file {
        "asterisk.conf" => vec![
            ("astetcdir", home("etc")),
            ("astmoddir", home("modules")),
            ("astvarlibdir", home("var")),
            ("astdbdir", home("var")),
            ("astkeydir", home("var")),
            ("astdatadir", tree("usr/share/asterisk")),
            ("astagidir", tree("usr/share/asterisk/agi-bin")),
            ("astspooldir", home("spool")),
            ("astrundir", home("run")),
            ("astlogdir", home("log")),
            ("astcachedir", home("cache")),
            ("astsbindir", tree("usr/sbin")),
        ],
        "pjsip.conf" => vec![("bind", options.sip.to_string())],
        "http.conf" => vec![("bindport", options.http_port.to_string())],
        "manager.conf" => vec![("port", options.manager_port.to_string())],
        "rtp.conf" => vec![
            ("rtpstart", options.rtp_ports.start().to_string()),
            ("rtpend", options.rtp_ports.end().to_string()),
        ],
        "slinpipe.conf" => vec![("directory", options.pipes().display().to_string())],
        _ => Vec::new(),
    }
}

/// Replaces the value of every `key = value` line of `text`.
fn replace(text: &str, key: &str, value: &str) -> Result<String> {
    let mut found = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.split_once('=').is_some_and(|(name, _)| name.trim() == key) {
            found = true;
            writeln!(out, "{key} = {value}")?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    ensure!(found, "no line sets {key}");
    Ok(out)
}

/// Speech goes where signalling goes: on loopback nobody else's packets reach a call.
fn phones(options: &Options) -> String {
    let ip = options.sip.ip();
    let media = if ip.is_unspecified() {
        String::new()
    } else {
        format!("media_address = {ip}\nbind_rtp_to_media_address = yes\n")
    };
    options.phones.iter().map(|each| phone(each, &media)).collect()
}

fn phone(Phone { extension, secret }: &Phone, media: &str) -> String {
    format!(
        "[{extension}](phone-endpoint)\nauth = {extension}\naors = {extension}\ncallerid = <{extension}>\n{media}\
         [{extension}](phone-auth)\nusername = {extension}\npassword = {secret}\n\
         [{extension}](phone-aor)\n\n"
    )
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_wherever_its_key_is_set() {
        let text = "; bind = comment\n[a]\nbind = 1\nbinding = 2\n[b]\nbind => 3\n";
        let replaced = replace(text, "bind", "x").expect("there");
        assert_eq!(replaced, "; bind = comment\n[a]\nbind = x\nbinding = 2\n[b]\nbind = x\n");
    }

    #[test]
    fn a_key_that_is_gone_is_an_error() {
        assert_eq!(replace("a = 1\n", "b", "x").expect_err("gone").to_string(), "no line sets b");
    }
}
