use dragoman_guard::events::{Event, Reader};

/// What Asterisk tells the guard, cut in two anywhere.
pub(crate) fn security_events(input: &[u8]) -> bool {
    let whole = Reader::default().take(input);
    let (first, second) = input.split_at(input.len() / 2);
    let mut reader = Reader::default();
    let mut halves = reader.take(first);
    halves.extend(reader.take(second));
    assert_eq!(whole, halves);
    for event in &whole {
        if let Event::Failed { phone: Some(phone), .. } = event {
            assert!(phone.len() <= 32 && phone.bytes().all(|byte| byte.is_ascii_graphic()), "{phone:?}");
        }
    }
    !whole.is_empty()
}
