//! Programs of the box: what they hear of calls, what they have said there, and that nobody waits for them.

mod admission;
mod hearing;
mod junk;
mod program;
mod slow;
mod speaking;

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::header::{AUTHORIZATION, HeaderName};
use tungstenite::{Error, WebSocket, client};

use crate::clouds::{Clouds, Plan};
use crate::conference::TABLES;

/// A box with phones and clouds that lets programs in.
struct Rig {
    clouds: Clouds,
    token_file: PathBuf,
    _directory: TempDir,
}

impl Rig {
    fn start() -> Self {
        Self::start_at(None)
    }

    /// The same, asked over HTTP at this address.
    fn start_at(page: Option<Ipv4Addr>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let token_file = directory.path().join("apps.token");
        let apps = format!(
            "[apps]\ntoken_file = \"{}\"\norigins = [\"http://localhost:3000\"]\n",
            token_file.display()
        );
        let tables = format!("{TABLES}{apps}");
        let clouds = Clouds::planned(Plan { tables, languages: 3, page, ..Plan::default() });
        Self { clouds, token_file, _directory: directory }
    }

    fn token(&self) -> String {
        std::fs::read_to_string(&self.token_file).expect("the daemon made it")
    }

    /// Where the daemon serves programs.
    fn address(&self) -> String {
        let status = self.clouds.daemon.status().expect("a status");
        status["health"].as_str().expect("an address").to_owned()
    }

    /// Knocks with these headers: a WebSocket, or the status of the refusal and its words.
    fn knock(&self, headers: &[(HeaderName, &str)]) -> Result<WebSocket<TcpStream>, (u16, String)> {
        let stream = TcpStream::connect(self.address()).expect("the daemon listens");
        self.knock_by(stream, headers)
    }

    fn knock_by(
        &self,
        stream: TcpStream,
        headers: &[(HeaderName, &str)],
    ) -> Result<WebSocket<TcpStream>, (u16, String)> {
        let address = self.address();
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut request = format!("ws://{address}/api/v1/stream").into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        match client(request, stream) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                let words = answer.body().as_deref().map(String::from_utf8_lossy);
                Err((answer.status().as_u16(), words.unwrap_or_default().into_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A program with the right token.
    fn enter(&self) -> WebSocket<TcpStream> {
        self.knock(&[(AUTHORIZATION, &format!("Bearer {}", self.token()))]).expect("it is let in")
    }

    fn ended(&self, reason: &str) -> u64 {
        self.clouds.daemon.metric(&format!("apps_ended_total{{reason=\"{reason}\"}}")) as u64
    }

    fn refused(&self, reason: &str) -> u64 {
        self.clouds.daemon.metric(&format!("apps_refused_total{{reason=\"{reason}\"}}")) as u64
    }

    /// Waits until no program is connected any more.
    fn assert_all_gone(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.clouds.daemon.metric("apps_connected") > 0.0 {
            assert!(Instant::now() < until, "somebody is still connected");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
