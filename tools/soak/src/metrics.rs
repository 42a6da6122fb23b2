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

    /// The value of `name`, 0 where it is not told.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The values of `name` by its only label, those that are not 0.
    pub(crate) fn by_label(&self, name: &str) -> BTreeMap<String, u64> {
        let label = |key: &str| {
            let labels = key.strip_prefix(name)?.strip_prefix('{')?;
            labels.split('"').nth(1).map(str::to_owned)
        };
        let all = self.0.iter().filter(|(_, value)| **value > 0.0);
        all.filter_map(|(key, value)| Some((label(key)?, *value as u64))).collect()
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
        assert!((metrics.get("a_total") - 7.0).abs() < 1e-9 && metrics.get("b") < 1e-9);
        assert_eq!(metrics.by_label("d_total"), BTreeMap::from([("late".to_owned(), 2)]));
    }
}
