use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Writes a file so that a power cut leaves the old one or the new one. It belongs to whom the old one belonged to, or
/// else to whom the directory belongs.
pub(crate) fn replace(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<(), String> {
    write(path, content.as_ref(), mode)
        .map_err(|error| format!("{}: {error}; nothing was changed", path.display()))
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
    file.persist(path).map_err(|refused| refused.error)?;
    File::open(directory)?.sync_all()
}
