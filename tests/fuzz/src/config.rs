use std::path::Path;

/// The daemon's configuration file; a refusal is one line.
pub(crate) fn file(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    match dragomand::config::read(Path::new("c.toml"), text) {
        Ok(_) => true,
        Err(refused) => {
            assert!(!refused.to_string().contains(char::is_control), "{refused:?}");
            false
        }
    }
}
