//! What a room tells one caller, in his language.

use crate::Language;

/// Something to tell one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phrase {
    /// What the keys do.
    Keys,
    NothingToRepeat,
    Slower,
    UsualPace,
    Softer,
    Louder,
    Muted,
    Unmuted,
    TranslatorOff,
    TranslatorOn,
    /// From now on he is taken to speak the language that this is said in.
    Language,
    EnterPin,
    WrongPin,
    NoEntry,
    /// He is recorded from now on.
    Recorded,
}

impl Phrase {
    const COUNT: usize = Self::Recorded as usize + 1;

    /// The words for a caller who speaks `language`, and the language they are in: English where there are no others.
    pub(crate) fn words(self, language: Language) -> (&'static str, Language) {
        let phrases = match language.code() {
            "en" => &ENGLISH,
            "es" => &SPANISH,
            "fr" => &FRENCH,
            "de" => &GERMAN,
            "it" => &ITALIAN,
            "pt" => &PORTUGUESE,
            _ if self == Self::Language => return ("Your language was changed.", Language::ENGLISH),
            _ => return self.words(Language::ENGLISH),
        };
        (phrases[self as usize], language)
    }
}

const ENGLISH: [&str; Phrase::COUNT] = [
    "1 repeats. 2 is slower. 4 and 6 make voices softer and louder. 7 mutes you. 9 changes your language. 0 turns \
     the translator off.",
    "There is nothing to repeat.",
    "Slower.",
    "Usual pace.",
    "Voices softer.",
    "Voices louder.",
    "You are muted.",
    "You can be heard.",
    "The translator is off.",
    "The translator is on.",
    "You speak English.",
    "Please enter the PIN.",
    "That is not the PIN. Please enter it again.",
    "That is not the PIN. Goodbye.",
    "This call is recorded.",
];

const SPANISH: [&str; Phrase::COUNT] = [
    "1 repite. 2 es más lento. 4 y 6 bajan y suben las voces. 7 le silencia. 9 cambia su idioma. 0 apaga el \
     traductor.",
    "No hay nada que repetir.",
    "Más lento.",
    "Velocidad normal.",
    "Voces más bajas.",
    "Voces más altas.",
    "Está silenciado.",
    "Ya se le oye.",
    "El traductor está apagado.",
    "El traductor está encendido.",
    "Usted habla español.",
    "Introduzca el PIN.",
    "Ese no es el PIN. Introdúzcalo de nuevo.",
    "Ese no es el PIN. Adiós.",
    "Esta llamada se graba.",
];

const FRENCH: [&str; Phrase::COUNT] = [
    "1 répète. 2 ralentit. 4 et 6 baissent et montent les voix. 7 vous rend muet. 9 change votre langue. 0 éteint \
     le traducteur.",
    "Il n'y a rien à répéter.",
    "Plus lent.",
    "Vitesse normale.",
    "Voix plus basses.",
    "Voix plus fortes.",
    "On ne vous entend plus.",
    "On vous entend.",
    "Le traducteur est éteint.",
    "Le traducteur est allumé.",
    "Vous parlez français.",
    "Entrez le code PIN.",
    "Ce n'est pas le code PIN. Entrez-le de nouveau.",
    "Ce n'est pas le code PIN. Au revoir.",
    "Cet appel est enregistré.",
];

const GERMAN: [&str; Phrase::COUNT] = [
    "1 wiederholt. 2 ist langsamer. 4 und 6 machen Stimmen leiser und lauter. 7 schaltet Sie stumm. 9 wechselt Ihre \
     Sprache. 0 schaltet den Übersetzer aus.",
    "Es gibt nichts zu wiederholen.",
    "Langsamer.",
    "Übliches Tempo.",
    "Stimmen leiser.",
    "Stimmen lauter.",
    "Sie sind stumm.",
    "Man hört Sie wieder.",
    "Der Übersetzer ist aus.",
    "Der Übersetzer ist an.",
    "Sie sprechen Deutsch.",
    "Bitte geben Sie die PIN ein.",
    "Das ist nicht die PIN. Bitte geben Sie sie noch einmal ein.",
    "Das ist nicht die PIN. Auf Wiederhören.",
    "Dieses Gespräch wird aufgezeichnet.",
];

const ITALIAN: [&str; Phrase::COUNT] = [
    "1 ripete. 2 è più lento. 4 e 6 abbassano e alzano le voci. 7 la rende muto. 9 cambia la sua lingua. 0 spegne \
     il traduttore.",
    "Non c'è niente da ripetere.",
    "Più lento.",
    "Velocità normale.",
    "Voci più basse.",
    "Voci più alte.",
    "Il suo microfono è spento.",
    "Ora la si sente.",
    "Il traduttore è spento.",
    "Il traduttore è acceso.",
    "Lei parla italiano.",
    "Inserisca il PIN.",
    "Questo non è il PIN. Lo inserisca di nuovo.",
    "Questo non è il PIN. Arrivederci.",
    "Questa chiamata viene registrata.",
];

const PORTUGUESE: [&str; Phrase::COUNT] = [
    "1 repete. 2 é mais lento. 4 e 6 baixam e aumentam as vozes. 7 silencia-o. 9 muda a sua língua. 0 desliga o \
     tradutor.",
    "Não há nada para repetir.",
    "Mais lento.",
    "Velocidade normal.",
    "Vozes mais baixas.",
    "Vozes mais altas.",
    "Está silenciado.",
    "Já o ouvem.",
    "O tradutor está desligado.",
    "O tradutor está ligado.",
    "Fala português.",
    "Introduza o PIN.",
    "Esse não é o PIN. Introduza-o de novo.",
    "Esse não é o PIN. Adeus.",
    "Esta chamada é gravada.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_words_of_its_own() {
        let languages = ["en", "es", "fr", "de", "it", "pt"].map(|code| code.parse::<Language>().unwrap());
        for phrase in [Phrase::Keys, Phrase::Language, Phrase::EnterPin, Phrase::NoEntry, Phrase::Recorded] {
            let words: std::collections::HashSet<_> =
                languages.map(|language| phrase.words(language).0).into();
            assert_eq!(words.len(), languages.len(), "{phrase:?}");
        }
        assert_eq!(Phrase::Slower.words("ja".parse().unwrap()), ("Slower.", Language::ENGLISH));
    }
}
