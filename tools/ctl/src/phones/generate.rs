use std::fmt::Write as _;

use dragomand::config::Phone;
use secrecy::ExposeSecret;

use super::secrets::Secrets;

/// Three sections a phone, made from the templates of `pjsip.conf`. A phone without a secret is left out: one that
/// anybody may be is worse than none. Those in `outside` may call numbers outside.
pub(crate) fn phones_conf(phones: &[Phone], outside: &[String], secrets: &Secrets) -> String {
    let mut conf =
        String::from("; Written by `dragoman phones apply` from dragomand.toml; changes are lost.\n");
    for phone in phones {
        if let Some(secret) = secrets.of(&phone.extension) {
            section(&mut conf, phone, outside.contains(&phone.extension), secret.expose_secret());
        }
    }
    conf
}

fn section(conf: &mut String, phone: &Phone, calls_outside: bool, secret: &str) {
    let Phone { extension, name, language, codecs, .. } = phone;
    let context = if calls_outside { "context = phones-outside\n" } else { "" };
    let codecs: Vec<_> = codecs.iter().map(|codec| codec.name()).collect();
    let codecs = match codecs.join(",") {
        all if all.is_empty() => String::new(),
        some => format!("disallow = all\nallow = {some}\n"),
    };
    let name: String = name.chars().filter(|c| !matches!(c, '"' | '\\' | ';') && !c.is_control()).collect();
    write!(
        conf,
        "\n[{extension}](phone-endpoint)\nauth = {extension}\naors = {extension}\n\
         callerid = \"{name}\" <{extension}>\nlanguage = {language}\n{context}{codecs}\
         [{extension}](phone-auth)\nusername = {extension}\npassword = {secret}\n\
         [{extension}](phone-aor)\n",
        language = language.code(),
    )
    .expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dragomand::config;
    use proptest::prelude::*;

    use super::*;

    fn config(name: &str) -> Result<Vec<Phone>, config::ConfigError> {
        let phone = toml::Table::from_iter(
            [("extension", "101"), ("name", name), ("language", "es")]
                .map(|(key, value)| (key.to_owned(), toml::Value::from(value))),
        );
        let text = format!(
            "[[phone]]\n{phone}codecs = [\"g722\", \"alaw\"]\n[[phone]]\nextension = \"102\"\nname = \"B\"\nlanguage = \"en\"\n"
        );
        Ok(config::read(Path::new("c.toml"), &text)?.directory.phones)
    }

    fn secrets() -> Secrets {
        Secrets::parse("\"101\" = \"0123456789abcdef\"\n").expect("secrets")
    }

    #[test]
    fn a_phone_is_three_sections_and_none_without_a_secret() {
        let conf = phones_conf(&config("José, Workshop").unwrap(), &[], &secrets());
        let (_, sections) = conf.split_once("\n\n").unwrap();
        assert_eq!(
            sections,
            "[101](phone-endpoint)\nauth = 101\naors = 101\ncallerid = \"José, Workshop\" <101>\nlanguage = es\n\
             disallow = all\nallow = g722,alaw\n[101](phone-auth)\nusername = 101\npassword = 0123456789abcdef\n\
             [101](phone-aor)\n"
        );
    }

    #[test]
    fn only_phones_that_may_call_outside_have_that_context() {
        let phones = config("A").unwrap();
        let written = |outside: &[String]| phones_conf(&phones, outside, &secrets());
        assert!(written(&["101".into()]).contains("language = es\ncontext = phones-outside\n"));
        assert!(!written(&["102".into()]).contains("context"));
    }

    proptest! {
        #[test]
        fn no_name_adds_a_line(name in "(?s).{0,80}|[ \\[\\];#\"<>=,\n\r\\\\a]{1,20}") {
            if let Ok(phones) = config(&name) {
                let conf = phones_conf(&phones, &[], &secrets());
                prop_assert_eq!(conf.lines().count(), 13, "{}", conf);
                let line = format!("callerid = \"{name}\" <101>");
                prop_assert!(conf.lines().any(|written| written == line), "{}", conf);
                prop_assert!(!line.contains(';') && line.matches('"').count() == 2);
            }
        }
    }
}
