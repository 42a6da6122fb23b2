use session::Language;

use super::{Phone, Trunk};

/// Who can be called beside the rooms. Unlike the rest of the configuration it may change while calls stand.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The phones that belong to the box.
    pub phones: Vec<Phone>,
    /// The way to numbers outside, where there is one.
    pub trunk: Option<Trunk>,
}

impl Directory {
    /// The phone that has this number.
    pub fn phone(&self, extension: &str) -> Option<&Phone> {
        self.phones.iter().find(|phone| phone.extension == extension)
    }

    /// What is spoken at the other end of a leg whose name has `phone` in it: a phone's number, or a way outside.
    pub fn language_at(&self, phone: &str) -> Option<Language> {
        let own = self.phone(phone).map(|phone| phone.language);
        own.or_else(|| self.trunk.as_ref()?.language_of(phone))
    }

    /// Whether a call between two phones may lead there.
    pub fn leads_to(&self, dialled: &str) -> bool {
        self.phone(dialled).is_some() || self.trunk.as_ref().is_some_and(|trunk| trunk.leads_to(dialled))
    }
}
