use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use secret_file::For;

use crate::events::{Event, Reader};

const USER: &str = "guard";
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// After this silence it is asked whether it is there; after another it is not.
const SILENCE: Duration = Duration::from_secs(15);
const LONGEST_PASSWORD: u64 = 256;

/// The first line of the file, which is not for everyone.
pub(crate) fn password(path: &Path) -> Result<SecretString, String> {
    let text = secret_file::read(path, For::Group, LONGEST_PASSWORD)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    match text.expose_secret().lines().next() {
        Some(line) if !line.is_empty() => Ok(line.into()),
        _ => Err(format!("{}: no password in it", path.display())),
    }
}

/// A connection to Asterisk's manager interface.
pub(crate) struct Manager {
    stream: TcpStream,
    reader: Reader,
    asked: bool,
}

impl Manager {
    pub(crate) fn connect(address: SocketAddr, password: &SecretString) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_DEADLINE)?;
        stream.set_read_timeout(Some(CONNECT_DEADLINE))?;
        stream.set_write_timeout(Some(CONNECT_DEADLINE))?;
        let login =
            format!("Action: Login\r\nUsername: {USER}\r\nSecret: {}\r\n\r\n", password.expose_secret());
        stream.write_all(login.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.extend(byte);
            if answer.len() > 1_024 {
                return Err(io::Error::other("the answer to the login has no end"));
            }
        }
        if !String::from_utf8_lossy(&answer).contains("Response: Success") {
            return Err(io::Error::other("it does not take the password; is it that of manager-users.conf?"));
        }
        stream.set_read_timeout(Some(SILENCE))?;
        Ok(Self { stream, reader: Reader::default(), asked: false })
    }

    /// What has happened since it was asked last; waits until something has.
    pub(crate) fn events(&mut self) -> io::Result<Vec<Event>> {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(io::Error::other("it hung up")),
            Ok(length) => {
                self.asked = false;
                Ok(self.reader.take(&bytes[..length]))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.asked => {
                self.asked = true;
                self.stream.write_all(b"Action: Ping\r\n\r\n")?;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}
