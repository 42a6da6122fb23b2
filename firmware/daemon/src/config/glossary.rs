//! Terms that are to be translated in one way.

use std::collections::BTreeMap;

use engines::mt::deepl::glossary::unfit;
use session::Language;
use toml::Spanned;

use super::Fault;
use super::file::GlossaryTable;
use super::language::known;

/// The terms of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What is spoken.
    pub source: Language,
    /// What it is translated into.
    pub target: Language,
    /// What is said, and what it is to become.
    pub terms: BTreeMap<String, String>,
}

impl Terms {
    /// Whether `text` has one of the terms in it, as whole words.
    pub fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.terms.keys().any(|term| has_words(&text, &term.to_lowercase()))
    }
}

fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

pub(super) fn glossary(tables: Vec<Spanned<GlossaryTable>>) -> Result<Vec<Terms>, Fault> {
    let mut all: Vec<Terms> = Vec::new();
    for table in tables {
        let span = table.span();
        let fault = |message: String| (Some(span.clone()), format!("glossary: {message}"));
        let GlossaryTable { source, target, terms } = table.into_inner();
        let language = |code: &str| known(code).map_err(fault);
        let terms = Terms { source: language(&source)?, target: language(&target)?, terms };
        if terms.source == terms.target {
            return Err(fault("source and target are the same language".into()));
        }
        if all.iter().any(|known| (known.source, known.target) == (terms.source, terms.target)) {
            let pair = format!("{} to {}", terms.source, terms.target);
            return Err(fault(format!("{pair} is there twice; put its terms together")));
        }
        for term in terms.terms.iter().flat_map(|(from, to)| [from, to]) {
            if let Some(why) = unfit(term) {
                return Err(fault(format!("{term:?}: {why}")));
            }
        }
        all.push(terms);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const ROOM: &str = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n";

    fn read(text: &str) -> Result<Vec<Terms>, String> {
        let config = parse(&format!("{text}\n{ROOM}")).map_err(|(_, message)| message)?;
        Ok(config.engines.glossary.to_vec())
    }

    #[test]
    fn terms_are_read_by_direction() {
        let text = "[[glossary]]\nsource = \"en\"\ntarget = \"es\"\nterms = { box = \"caja\", \"ring main\" = \"anillo\" }\n\
                    [[glossary]]\nsource = \"es\"\ntarget = \"en\"\nterms = { caja = \"box\" }";
        let read = read(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].terms["ring main"], "anillo");
        assert!(read[0].are_in("Where is the Ring Main?") && read[0].are_in("box"));
        assert!(!read[0].are_in("the boxes of a boxer ring") && !read[0].are_in(""));
    }

    #[test]
    fn faults_say_what_to_do() {
        let table = |source: &str, terms: &str| {
            format!("[[glossary]]\nsource = \"{source}\"\ntarget = \"es\"\nterms = {{ {terms} }}\n")
        };
        let cases = [
            (table("english", "a = \"b\""), "choose of"),
            (table("es", "a = \"b\""), "same language"),
            (table("en", "\" a\" = \"b\""), "space"),
            (table("en", "a = \"\""), "1 to 1024"),
            (table("en", "a = \"b\"").repeat(2), "twice"),
        ];
        for (text, words) in cases {
            let message = read(&text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
