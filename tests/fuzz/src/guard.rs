use dragoman_guard::events::Reader;

/// What Asterisk tells the guard, cut in two anywhere.
pub(crate) fn security_events(input: &[u8]) -> bool {
    let whole = Reader::default().take(input);
    let (first, second) = input.split_at(input.len() / 2);
    let mut reader = Reader::default();
    let mut halves = reader.take(first);
    halves.extend(reader.take(second));
    assert_eq!(whole, halves);
    !whole.is_empty()
}
