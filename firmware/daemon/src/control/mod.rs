//! The control socket: whoever connects reads the state, then events as they happen, a JSON object a line. What he
//! writes, a line each, are commands.

pub(crate) mod command;

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::hub::{Hub, now};
use command::Lines;

/// Readers served at once.
const MOST_READERS: usize = 32;
/// How long a reader may leave a line unread before it is cut off.
const WRITE_DEADLINE: Duration = Duration::from_secs(2);

/// The listening socket; its path is removed when it is dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens at `path`, mode 0660. What a killed daemon left there is replaced.
    ///
    /// # Errors
    /// Where somebody listens there already, where something else than a socket is there, or where the path cannot
    /// be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(io::Error::other(
                    "something that is no socket is there; remove it or name another path",
                ));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(io::Error::other("in use; is another dragomand running?"));
            }
            Ok(_) => std::fs::remove_file(path)?,
        }
        let listener = UnixListener::bind(path).map_err(|error| advise(path, error))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves readers for ever.
    pub async fn serve(&self, hub: &Arc<Hub>) {
        let places = Arc::new(Semaphore::new(MOST_READERS));
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        refuse(hub, &stream);
                        continue;
                    };
                    let hub = Arc::clone(hub);
                    tokio::spawn(async move {
                        serve_reader(&hub, stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    log::warn!("the control socket accepts nobody now: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("{}: not removed: {error}", self.path.display());
        }
    }
}

/// What to do about a path that cannot be bound.
fn advise(path: &Path, error: io::Error) -> io::Error {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let advice = match error.kind() {
        io::ErrorKind::NotFound => match directory {
            Some(directory) => format!("make the directory {}", directory.display()),
            None => "name another path".into(),
        },
        io::ErrorKind::PermissionDenied => "let dragomand write in its directory".into(),
        io::ErrorKind::InvalidInput => "name a shorter path".into(),
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}; {advice}"))
}

/// Says why, as far as it goes without waiting, and hangs up.
fn refuse(hub: &Hub, stream: &UnixStream) {
    let reason = format!("{MOST_READERS} readers are connected; end one of them");
    log::warn!("a reader of the control socket is refused: {reason}");
    if let Err(error) = stream.try_write(hub.refusal(&reason).as_bytes()) {
        log::debug!("the refused reader is not told: {error}");
    }
}

async fn serve_reader(hub: &Hub, mut stream: UnixStream) {
    // Listening begins before the state is read, so that nothing falls in between.
    let mut lines = hub.listen();
    let mut line: Arc<str> = hub.status().into();
    let mut said = [0; 256];
    let mut commands = Lines::default();
    loop {
        match timeout(WRITE_DEADLINE, stream.write_all(line.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => return,
            Err(_) => return log::info!("a slow reader of the control socket is cut off"),
        }
        line = loop {
            tokio::select! {
                next = lines.recv() => match next {
                    Ok(next) => break next,
                    Err(_) => return log::info!("a slow reader of the control socket is cut off"),
                },
                read = stream.read(&mut said) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(bytes) => {
                        let answers = commands.take(&said[..bytes], hub);
                        if !answers.is_empty() {
                            break answers.iter().map(|answer| answer.line(now())).collect::<String>().into();
                        }
                    }
                },
            }
        };
    }
}
