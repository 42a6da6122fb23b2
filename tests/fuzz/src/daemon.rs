use dragomand::parsers;

/// Messages of a program, a line each: a refusal is one line, and what is to be said has words.
pub(crate) fn apps(input: &[u8]) -> bool {
    let lines = input.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let read = lines.filter(|line| match parsers::app_request(line) {
        Ok(parsers::AppAsked { request: parsers::AppRequest::Speak { text, .. }, .. }) => {
            assert!(text.contains(char::is_alphanumeric) && !text.contains(char::is_control));
            true
        }
        Ok(_) => true,
        Err(refused) => {
            assert!(!refused.reason.contains(char::is_control), "{refused:?}");
            false
        }
    });
    read.count() > 0
}

/// An event of ARI, or its list of channels.
pub(crate) fn ari(input: &[u8]) -> bool {
    parsers::ari(input)
}

/// Lines that a reader of the control socket writes.
pub(crate) fn commands(input: &[u8]) -> bool {
    let lines = input.split(|byte| *byte == b'\n');
    lines.filter(|line| parsers::command(line).is_ok()).count() > 0
}

/// A `Host` header: its case does not matter, and a box with a name is not known by less.
pub(crate) fn host(input: &[u8]) -> bool {
    let Ok(named) = std::str::from_utf8(input) else { return false };
    let named = named.trim_end_matches('\n');
    let hosts = ["box.local".to_owned()];
    let ours = parsers::is_our_host(named, &hosts);
    assert_eq!(ours, parsers::is_our_host(&named.to_ascii_uppercase(), &hosts));
    assert!(ours || !parsers::is_our_host(named, &[]));
    ours
}

/// A datagram of the channel driver: what is understood is all of it.
pub(crate) fn key(input: &[u8]) -> bool {
    let Some((id, key)) = parsers::key(input) else { return false };
    assert_eq!(format!("{id} {key}").as_bytes(), input);
    true
}

/// What is inside a recording.
pub(crate) fn recording(input: &[u8]) -> bool {
    let (mut from, mut understood) = (input, false);
    while let Ok(Some(_)) = parsers::Record::read(&mut from) {
        understood = true;
    }
    understood
}
