//! Files that hold a password, a token or a key: made for their owner alone, and read only while nobody else can.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

/// Who may read a secret besides its owner and root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Nobody.
    Owner,
    /// The owner's group, as where one program makes the file and another reads it.
    Group,
}

/// Makes a file for its owner alone, unless it is there. A power cut leaves a whole one or none.
///
/// # Errors
/// Where it cannot be made.
pub fn make(path: &Path, text: impl FnOnce() -> io::Result<String>) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text()?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

/// What is in the file, where that is text of at most `longest` bytes and others cannot read it.
///
/// # Errors
/// Where it is otherwise, and what to do.
pub fn read(path: &Path, readers: For, longest: u64) -> io::Result<SecretString> {
    check(path, readers)?;
    let mut text = String::new();
    let outcome = File::open(path).and_then(|file| file.take(longest + 1).read_to_string(&mut text));
    let text = SecretString::from(text);
    outcome?;
    if text.expose_secret().len() as u64 > longest {
        return Err(io::Error::other(format!("it has more than {longest} bytes, which no secret has")));
    }
    Ok(text)
}

/// Whether a file is one that others cannot read.
///
/// # Errors
/// Where it is not, and what to do.
pub fn check(path: &Path, readers: For) -> io::Result<()> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mode = metadata.permissions().mode();
    match readers {
        For::Owner if mode & 0o077 != 0 => {
            Err(io::Error::other("others can read it; take that away with chmod 600"))
        }
        For::Group if mode & 0o007 != 0 => {
            Err(io::Error::other("everyone on this box can read it; take that away with chmod o="))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_power_cut_left_behind_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/secret");
        fs::create_dir(directory.path().join("state")).unwrap();
        fs::write(directory.path().join("state/secret.new"), "ha").unwrap();
        make(&path, || Ok("half".to_owned())).unwrap();
        make(&path, || unreachable!("it is there")).unwrap();
        assert_eq!(read(&path, For::Owner, 4).unwrap().expose_secret(), "half");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_read_is_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "hush").unwrap();
        for (mode, owner, group) in
            [(0o600, true, true), (0o640, false, true), (0o644, false, false), (0o602, false, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for (readers, is_good) in [(For::Owner, owner), (For::Group, group)] {
                let outcome = read(&path, readers, 100);
                assert_eq!(outcome.is_ok(), is_good, "{mode:o} {readers:?}");
                assert!(outcome.err().is_none_or(|error| error.to_string().contains("chmod")));
            }
        }
    }

    #[test]
    fn what_is_missing_too_long_or_no_file_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let refused = |path: &Path, longest| read(path, For::Group, longest).unwrap_err();
        assert_eq!(refused(&path, 4).kind(), io::ErrorKind::NotFound);
        make(&path, || Ok("hush!".to_owned())).unwrap();
        assert!(refused(&path, 4).to_string().contains("4 bytes"));
        assert!(refused(directory.path(), 4).to_string().contains("no file"));
    }
}
