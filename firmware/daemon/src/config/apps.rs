use std::path::PathBuf;

use axum::http::Uri;

use super::Fault;
use super::file::AppsTable;

/// How programs of the box are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apps {
    /// Where the word is that they have to know.
    pub token_file: PathBuf,
    /// Pages of browsers that may be among them, by their origins.
    pub origins: Vec<String>,
}

impl Apps {
    pub(super) fn read(table: Option<AppsTable>) -> Result<Option<Self>, Fault> {
        let Some(table) = table else { return Ok(None) };
        let mut origins = Vec::new();
        for origin in table.origins {
            let text = origin.get_ref().to_ascii_lowercase();
            if !is_origin(&text) {
                let advice = "apps.origins: write scheme and host alone, such as \"http://localhost:3000\"";
                return Err((Some(origin.span()), advice.into()));
            }
            origins.push(text);
        }
        Ok(Some(Self { token_file: table.token_file, origins }))
    }
}

/// As browsers write it: no path, not even a slash.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    !authority.as_str().contains('@') && text.ends_with(authority.as_str())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::read;

    const ROOM: &str = "[[room]]\nextension = \"700\"\nkind = \"echo\"\n";

    #[test]
    fn programs_are_let_in_where_the_table_is() {
        let apps = |table: &str| read(Path::new("c"), &format!("{ROOM}{table}")).map(|config| config.apps);
        assert_eq!(apps(""), Ok(None));
        let usual = apps("[apps]\n").unwrap().unwrap();
        assert_eq!(usual.token_file, Path::new("/var/lib/dragoman/apps.token"));
        assert!(usual.origins.is_empty());
        let origins = apps("[apps]\norigins = [\"https://Desk.example\", \"http://[::1]:80\"]\n");
        assert_eq!(origins.unwrap().unwrap().origins, ["https://desk.example", "http://[::1]:80"]);
        for origin in
            ["*", "null", "desk.example", "http://a/", "http://a/b", "ws://a", "http://u@a", "http://"]
        {
            let refused = apps(&format!("[apps]\norigins = [{origin:?}]\n")).unwrap_err().to_string();
            assert!(refused.contains(":5: apps.origins"), "{origin}: {refused}");
        }
    }
}
