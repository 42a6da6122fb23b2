//! What the daemon tells at `/metrics`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(5);

/// One scrape: each line's name with its labels, and its value.
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Asks the server at `address`.
    pub(crate) fn scrape(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).with_context(|| format!("no metrics at {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("the metrics break off")?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{}", answer.lines().next().unwrap_or_default());
        Ok(Self::parse(&answer))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(pair).collect())
    }

    /// The value of `name`.
    pub(crate) fn get(&self, name: &str) -> Result<u64> {
        self.0
            .get(name)
            .map(|value| *value as u64)
            .with_context(|| format!("the daemon does not tell {name}"))
    }

    /// The values of `name` by its only label, those that are not 0.
    pub(crate) fn by_label(&self, name: &str) -> Result<BTreeMap<String, u64>> {
        let label = |key: &str| {
            let labels = key.strip_prefix(name)?.strip_prefix('{')?;
            labels.split('"').nth(1).map(str::to_owned)
        };
        let told = self.0.iter().filter_map(|(key, value)| Some((label(key)?, *value as u64)));
        let mut all: BTreeMap<_, _> = told.collect();
        ensure!(!all.is_empty(), "the daemon does not tell {name}");
        all.retain(|_, value| *value > 0);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_and_label() {
        let text = "HTTP/1.1 200 OK\r\nage: 3\r\n\r\n# HELP a b\na_total 7\nd_total{reason=\"late\"} 2\n\
                    d_total{reason=\"lost\"} 0\ne{queue=\"x\"} 1.5\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.get("a_total").unwrap(), 7);
        assert_eq!(metrics.by_label("d_total").unwrap(), BTreeMap::from([("late".to_owned(), 2)]));
        assert!(metrics.get("b").is_err() && metrics.by_label("b").is_err(), "silence is not zero");
    }
}
