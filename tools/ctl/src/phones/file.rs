use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is written in whole beside the place where it is to stand.
pub(crate) struct Staged {
    new: NamedTempFile,
    path: PathBuf,
}

/// Writes a file so that a power cut leaves the old one or the new one. It belongs to whom the old one belonged to, or
/// else to whom the directory belongs.
pub(crate) fn replace(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<(), String> {
    stage(path, content, mode)
        .and_then(Staged::put)
        .map_err(|reason| format!("{reason}; nothing was changed"))
}

/// The same without its last step, so that several files can be replaced where all of them can be written.
pub(crate) fn stage(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<Staged, String> {
    match write(path, content.as_ref(), mode) {
        Ok(new) => Ok(Staged { new, path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{}: its directory is not there; make it, or name another file", path.display()))
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// That of a file, in a form that can be opened.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Staged {
    /// Replaces the file.
    pub(crate) fn put(self) -> Result<(), String> {
        let put = self.new.persist(&self.path).map_err(|refused| refused.error);
        let kept = put.and_then(|_| File::open(directory(&self.path))?.sync_all());
        kept.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let directory = directory(path);
    let mut file =
        tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(directory)?;
    let owner = path.metadata().or_else(|_| directory.metadata())?;
    let own = file.as_file().metadata()?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    // Not subject to the umask, as the mode at creation is.
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}
