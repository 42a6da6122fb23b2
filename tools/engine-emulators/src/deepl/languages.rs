//! The codes that the vendor knows.

/// Both source and target, and whether formality is told apart.
const BOTH: [(&str, bool); 32] = [
    ("AR", false),
    ("BG", false),
    ("CS", false),
    ("DA", false),
    ("DE", true),
    ("EL", false),
    ("ES", true),
    ("ET", false),
    ("FI", false),
    ("FR", true),
    ("HE", false),
    ("HU", false),
    ("ID", false),
    ("IT", true),
    ("JA", true),
    ("KO", false),
    ("LT", false),
    ("LV", false),
    ("NB", false),
    ("NL", true),
    ("PL", true),
    ("RO", false),
    ("RU", true),
    ("SK", false),
    ("SL", false),
    ("SV", false),
    ("TH", false),
    ("TR", false),
    ("UK", false),
    ("VI", true),
    ("ZH", false),
    ("CA", false),
];
const ONLY_SOURCE: [&str; 2] = ["EN", "PT"];
const ONLY_TARGET: [(&str, bool); 6] = [
    ("EN-GB", false),
    ("EN-US", false),
    ("PT-BR", true),
    ("PT-PT", true),
    ("ZH-HANS", false),
    ("ZH-HANT", false),
];

/// Whether it can be translated from `code`, in capitals.
pub(super) fn is_source(code: &str) -> bool {
    ONLY_SOURCE.contains(&code) || BOTH.iter().any(|(known, _)| *known == code)
}

/// Whether it can be translated into `code`, in capitals, and formality is told apart there.
pub(super) fn target(code: &str) -> Option<bool> {
    let mut known = BOTH.iter().chain(&ONLY_TARGET);
    known.find(|(known, _)| *known == code).map(|(_, formality)| *formality)
}

/// Whether there can be a glossary from or to `code`, as our engines spell it.
pub(super) fn has_glossaries(code: &str) -> bool {
    code == code.to_ascii_lowercase() && is_source(&code.to_ascii_uppercase())
}

/// A code as our engines spell it.
pub(super) fn plain(code: &str) -> String {
    code.split('-').next().unwrap_or_default().to_ascii_lowercase()
}
