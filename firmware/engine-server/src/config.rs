//! The configuration file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// See the example in `--help`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the models are.
    #[serde(default)]
    pub models: PathBuf,
    /// The tree that holds Apertium and Pico; `/` is the machine itself.
    #[serde(default = "machine")]
    pub prefix: PathBuf,
    /// Addresses.
    #[serde(default)]
    pub listen: Listen,
    /// Speech recognition.
    #[serde(default)]
    pub asr: Asr,
    /// What strangers may take up.
    #[serde(default)]
    pub limits: Limits,
}

/// Where the server listens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Speech recognition and synthesis.
    #[serde(deserialize_with = "address")]
    pub wyoming: SocketAddr,
    /// Translation.
    #[serde(deserialize_with = "address")]
    pub libretranslate: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self { wyoming: ([127, 0, 0, 1], 10_300).into(), libretranslate: ([127, 0, 0, 1], 5000).into() }
    }
}

/// How recognition uses the processor.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asr {
    /// Passes at the same time; each takes about 90 MB.
    pub workers: Option<usize>,
    /// Threads a pass.
    pub threads: Option<usize>,
}

/// What strangers may take up.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// A silent connection is closed after this many seconds.
    pub idle_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 64, idle_seconds: 300 }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let advice = "write a number and a port, \"127.0.0.1:10300\" or \"[::1]:10300\"";
        D::Error::custom(format!("{text:?} is no address; {advice}"))
    })
}

fn machine() -> PathBuf {
    "/".into()
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has an unknown key, which is named with its line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!("{}: write one (see --help), or name another with --config", path.display())
        })?;
        let config =
            parse(&text).map_err(|(line, message)| anyhow!("{}:{line}: {message}", path.display()))?;
        anyhow::ensure!(
            !config.models.as_os_str().is_empty(),
            "{}: say where the models are: models = \"/var/lib/dragoman/models\"",
            path.display()
        );
        anyhow::ensure!(config.asr.workers != Some(0), "asr.workers must be at least 1");
        anyhow::ensure!(config.asr.threads != Some(0), "asr.threads must be at least 1");
        anyhow::ensure!(config.limits.connections > 0, "limits.connections must be at least 1");
        Ok(config)
    }
}

/// Where it is wrong: the line, and the key with what is wrong with it, in one line.
fn parse(text: &str) -> Result<Config, (usize, String)> {
    let fault = |key: &str, error: &toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let message: Vec<&str> = error.message().split_whitespace().collect();
        (1 + text[..start].matches('\n').count(), format!("{key}{}", message.join(" ")))
    };
    let document = toml::Deserializer::parse(text).map_err(|error| fault("", &error))?;
    serde_path_to_error::deserialize(document).map_err(|error| match error.path().to_string().as_str() {
        "." => fault("", error.inner()),
        key => fault(&format!("{key}: "), error.inner()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engines.toml");
        fs::write(&path, text).unwrap();
        format!("{:#}", Config::read(&path).unwrap_err())
    }

    #[test]
    fn unknown_keys_are_named() {
        let said = refusal("models = \"/m\"\n[listen]\nwyomming = \"127.0.0.1:1\"\n");
        assert!(said.contains("wyomming") && said.contains("engines.toml:3: "), "{said}");
        assert!(refusal("prefix = \"/\"").contains("models = \"/"));
        for wrong in ["localhost:10300", "10300", "127.0.0.1"] {
            let said = refusal(&format!("models = \"/m\"\n[listen]\nwyoming = \"{wrong}\""));
            assert!(said.contains(":3: listen.wyoming: ") && said.contains("127.0.0.1:10300"), "{said}");
        }
        let wrong = refusal("models = \"/m\"\n[asr]\nworkers = \"two\"");
        assert!(wrong.contains(":3: asr.workers: ") && !wrong.contains('\n'), "{wrong}");
        assert!(refusal("models = \"/m\"\n[asr]\nworkers = 0").contains("asr.workers"));
    }
}
