use dragomand::config::Codec;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

/// A phone as it is to stand in the configuration; whether it may is for the configuration's own check.
#[derive(Debug, clap::Args)]
pub(crate) struct Entry {
    /// Its number: digits
    pub(crate) extension: String,
    /// Whose it is, or where it stands
    #[arg(long)]
    pub(crate) name: String,
    /// What is spoken into it, such as es
    #[arg(long, value_name = "CODE")]
    pub(crate) language: String,
    /// The voice of its speaker's translations, as an engine calls it
    #[arg(long)]
    pub(crate) voice: Option<String>,
    /// What it may speak, best first; again for more than one
    #[arg(long = "codec", value_name = "CODEC", value_parser = codec)]
    pub(crate) codecs: Vec<Codec>,
}

fn codec(name: &str) -> Result<Codec, String> {
    let known = [Codec::Slin16, Codec::G722, Codec::Opus, Codec::Alaw, Codec::Ulaw];
    let found = known.into_iter().find(|codec| codec.name() == name);
    found.ok_or_else(|| format!("choose of {}", known.map(Codec::name).join(", ")))
}

/// The configuration's text with one phone more, at the end. Everything else stays as it is.
pub(crate) fn add(text: &str, entry: &Entry) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    let mut table = Table::new();
    table["extension"] = value(&entry.extension);
    table["name"] = value(&entry.name);
    table["language"] = value(&entry.language);
    if let Some(voice) = &entry.voice {
        table["voice"] = value(voice);
    }
    if !entry.codecs.is_empty() {
        table["codecs"] = value(entry.codecs.iter().map(|codec| codec.name()).collect::<Array>());
    }
    if document.contains_key("phone") || !text.is_empty() {
        table.decor_mut().set_prefix("\n");
    }
    let phones = document.entry("phone").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    match phones {
        Item::ArrayOfTables(tables) => tables.push(table),
        _ => return Err("phone: write each phone as a [[phone]] of its own first".into()),
    }
    Ok(document.to_string())
}

/// The configuration's text without this phone. Everything else stays as it is.
pub(crate) fn remove(text: &str, extension: &str) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    let is_wanted = |table: &Table| table.get("extension").and_then(Item::as_str) == Some(extension);
    let missing = || format!("there is no [[phone]] with the extension {extension}");
    let phones = document.get_mut("phone").and_then(Item::as_array_of_tables_mut).ok_or_else(missing)?;
    let at = phones.iter().position(is_wanted).ok_or_else(missing)?;
    phones.remove(at);
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# the box in the hall\n[media]\npriority = 70   # as on the other one\n\n\
        # dialled by all\n[[room]]\nextension = \"700\"\nkind = \"echo\"\n\n# at the door\n[[phone]]\n\
        extension = \"101\"\nname = \"Door\" # new\nlanguage = \"es\"\n";

    fn entry(extension: &str) -> Entry {
        let (name, language) = ("B\n[[room]]".into(), "en".into());
        Entry { extension: extension.into(), name, language, voice: None, codecs: vec![Codec::G722] }
    }

    #[test]
    fn a_phone_is_added_at_the_end_and_nothing_else_changes() {
        let added = add(TEXT, &entry("102")).unwrap();
        let (before, after) = added.split_at(TEXT.len());
        assert_eq!(before, TEXT);
        let phone: toml::Table = after.parse().unwrap();
        assert_eq!(phone["phone"][0]["name"].as_str(), Some("B\n[[room]]"));
        assert_eq!(phone["phone"][0]["codecs"][0].as_str(), Some("g722"));
        assert_eq!(remove(&added, "102").unwrap(), TEXT);
    }

    #[test]
    fn the_first_phone_may_be_the_first_line() {
        let added = add("", &entry("101")).unwrap();
        assert!(added.starts_with("[[phone]]\nextension = \"101\"\n"), "{added}");
    }

    #[test]
    fn what_is_not_there_is_not_removed() {
        assert!(remove(TEXT, "700").unwrap_err().contains("700"));
        assert!(add("phone = []\n", &entry("101")).is_err());
    }
}
