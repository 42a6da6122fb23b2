//! Languages as the configuration names them.

use session::Language;
use toml::Spanned;

use super::Fault;

/// A language by its plain code, one that an engine may know.
pub(super) fn language(key: &str, value: &Spanned<String>) -> Result<Language, Fault> {
    known(value.get_ref()).map_err(|reason| (Some(value.span()), format!("{key}: {reason}")))
}

/// The same of a code whose place in the file is not known.
pub(super) fn known(code: &str) -> Result<Language, String> {
    let is_known = Language::KNOWN.contains(&code);
    code.parse().ok().filter(|_| is_known).ok_or_else(|| {
        let shown: String = code.chars().take(16).collect();
        format!("{shown:?} is no language that is known; choose of {}", Language::KNOWN.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_code_is_a_language_of_its_own() {
        for code in Language::KNOWN {
            assert_eq!(known(code).map(|language| language.to_string()), Ok(code.to_owned()));
        }
        assert!(Language::KNOWN.is_sorted());
    }

    #[test]
    fn others_are_refused_with_the_list() {
        for code in ["xx", "EN", "en-US", "english", ""] {
            let reason = known(code).unwrap_err();
            assert!(reason.contains(&format!("{code:?}")) && reason.contains("en, es"), "{reason}");
        }
    }
}
