//! The way outside, as Asterisk is told of it: what PJSIP needs to reach the provider, and which numbers lead there.

use std::fmt::Write as _;
use std::path::Path;

use dragomand::config::Trunk;
use secrecy::{ExposeSecret as _, SecretString};
use secret_file::For;

const LONGEST_PASSWORD: u64 = 128;

/// The provider's password, from a file that is not for everyone.
pub(crate) fn password(file: &Path) -> Result<SecretString, String> {
    let advice = "put the trunk's password there, not readable for everyone";
    let told = |reason: &str| format!("trunk.password_file {}: {reason}; {advice}", file.display());
    let text =
        secret_file::read(file, For::Group, LONGEST_PASSWORD).map_err(|error| told(&error.to_string()))?;
    let word = text.expose_secret().trim();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if word.is_empty() || !word.bytes().all(is_plain) {
        return Err(told("this is no password: one word of at most 127 characters, no backslash"));
    }
    Ok(word.into())
}

/// Sections made from the templates of `pjsip.conf`: an endpoint for each language that is spoken outside, and what
/// they share. Only where calls come in is an address enough to be somebody.
pub(crate) fn sections(trunk: &Trunk, password: &SecretString) -> String {
    let Trunk { host, user, .. } = trunk;
    // What follows a semicolon would be a comment.
    let password = password.expose_secret().replace(';', "\\;");
    let domain = host.split_once(':').map_or(host.as_str(), |(name, _)| name);
    let mut conf = String::from("\n[lan](+)\n");
    trunk.addresses.iter().for_each(|address| write_line(&mut conf, "permit", address));
    write!(
        conf,
        "[trunk](trunk-auth)\nusername = {user}\npassword = {password}\n[trunk](trunk-aor)\ncontact = sip:{host}\n"
    )
    .expect("a String takes everything");
    for language in trunk.languages() {
        let name = Trunk::endpoint(language);
        write!(
            conf,
            "[{name}](trunk-endpoint)\naors = trunk\noutbound_auth = trunk\nfrom_user = {user}\nfrom_domain = {domain}\n"
        )
        .expect("a String takes everything");
    }
    if trunk.registers {
        write!(
            conf,
            "[trunk](trunk-registration)\noutbound_auth = trunk\nserver_uri = sip:{host}\n\
             client_uri = sip:{user}@{domain}\ncontact_user = trunk\n"
        )
        .expect("a String takes everything");
    }
    if trunk.incoming.is_some() {
        write!(conf, "[trunk](trunk-identify)\nendpoint = {}\n", Trunk::endpoint(trunk.language))
            .expect("a String takes everything");
        trunk.addresses.iter().for_each(|address| write_line(&mut conf, "match", address));
    }
    conf
}

fn write_line(conf: &mut String, key: &str, value: &str) {
    writeln!(conf, "{key} = {value}").expect("a String takes everything");
}

/// The numbers of the dialplan: each one that is allowed, at its full length and of digits alone, so that nothing else
/// that a caller may dial is a number.
pub(crate) fn numbers(trunk: Option<&Trunk>) -> String {
    let mut conf =
        String::from("; Written by `dragoman phones apply` from dragomand.toml; changes are lost.\n");
    let Some(trunk) = trunk else { return conf };
    conf += "\n[trunk-numbers](+)\n";
    for allowed in &trunk.allowed {
        let (way, most) = (Trunk::endpoint(allowed.language), trunk.most);
        for pattern in allowed.patterns() {
            writeln!(
                conf,
                "exten = _{pattern},1,Gosub(outside,s,1(${{FILTER(+0-9,${{EXTEN}})}},{way},{most}))"
            )
            .expect("a String takes everything");
        }
    }
    if let Some(number) = &trunk.incoming {
        conf += "\n[trunk-incoming](+)\n";
        for dialled in ["_X!", "_+X!", "trunk"] {
            writeln!(conf, "exten = {dialled},1,Goto(from-outside,{number},1)")
                .expect("a String takes everything");
        }
    }
    conf
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use dragomand::config;

    use super::*;

    const CONFIG: &str = "[trunk]\nhost = \"sip.example.net:5070\"\naddresses = [\"203.0.113.7\"]\nuser = \"34910\"\n\
        password_file = \"/k/trunk\"\nphones = [\"101\"]\n[[trunk.allow]]\nnumber = \"+34911234567890*\"\n\
        language = \"es\"\n[[trunk.allow]]\nnumber = \"0800XXX\"\n\
        [[phone]]\nextension = \"101\"\nname = \"A\"\nlanguage = \"en\"\n";

    fn trunk(text: &str) -> Trunk {
        config::read(Path::new("c.toml"), text).unwrap().directory.trunk.unwrap()
    }

    #[test]
    fn numbers_are_written_at_every_length() {
        let conf = numbers(Some(&trunk(CONFIG)));
        let lines: Vec<_> = conf.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "[trunk-numbers](+)",
                "exten = _+34911234567890X,1,Gosub(outside,s,1(${FILTER(+0-9,${EXTEN})},trunk_es,1))",
                "exten = _0800XXX,1,Gosub(outside,s,1(${FILTER(+0-9,${EXTEN})},trunk,1))",
            ]
        );
        assert_eq!(numbers(None).lines().count(), 1);
    }

    #[test]
    fn nobody_is_known_by_his_address_unless_calls_come_in() {
        let outgoing = sections(&trunk(CONFIG), &"a;b".into());
        assert!(outgoing.contains("password = a\\;b\n") && outgoing.contains("[trunk_es](trunk-endpoint)\n"));
        assert!(!outgoing.contains("match = ") && !outgoing.contains("trunk-registration"), "{outgoing}");
        let both =
            CONFIG.replace("phones = ", "register = true\nlanguage = \"fr\"\nincoming = \"101\"\nphones = ");
        let both = sections(&trunk(&both), &"a".into());
        assert!(both.contains("endpoint = trunk_fr\nmatch = 203.0.113.7\n"), "{both}");
        assert!(both.contains("client_uri = sip:34910@sip.example.net\n"), "{both}");
    }

    #[test]
    fn a_password_is_one_word_in_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trunk");
        let read = |text: &str, mode: u32| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            password(&file)
        };
        assert_eq!(read("hush\n", 0o640).unwrap().expose_secret(), "hush");
        for (text, mode) in
            [("hush", 0o644), ("two words", 0o600), ("a\nb", 0o600), ("", 0o600), ("a\\;", 0o600)]
        {
            let reason = read(text, mode).unwrap_err();
            assert!(reason.contains("trunk.password_file") && !reason.contains("hush"), "{reason}");
        }
        assert!(password(directory.path()).is_err());
    }
}
