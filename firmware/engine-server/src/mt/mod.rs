//! Translation: sentence by sentence, through as few engines as lead from one language to the other.

pub mod apertium;
pub mod bergamot;
mod phrases;
pub(crate) mod sentences;

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result};

use self::apertium::Apertium;
use self::bergamot::Bergamot;
use self::phrases::Phrases;

/// One engine and the direction it translates in.
struct Step {
    from: String,
    to: String,
    engine: Engine,
}

enum Engine {
    Bergamot(Bergamot),
    Apertium(Box<Apertium>),
}

impl Engine {
    async fn translate(&self, sentence: &str) -> Result<String> {
        match self {
            Self::Bergamot(engine) => engine.translate(sentence).await,
            Self::Apertium(engine) => engine.translate(sentence).await,
        }
    }
}

/// All engines and what can be reached with them.
#[derive(Default)]
pub struct Translator {
    steps: Vec<Step>,
    phrases: Phrases,
}

impl Translator {
    /// No engines yet, but the phrase table.
    ///
    /// # Errors
    /// When the table that was built in is broken.
    pub fn new() -> Result<Self> {
        Ok(Self { steps: Vec::new(), phrases: Phrases::built_in()? })
    }

    /// Adds a Bergamot model.
    pub fn add_bergamot(&mut self, from: &str, to: &str, engine: Bergamot) {
        self.add(from, to, Engine::Bergamot(engine));
    }

    /// Adds a running Apertium.
    pub fn add_apertium(&mut self, from: &str, to: &str, engine: Apertium) {
        self.add(from, to, Engine::Apertium(Box::new(engine)));
    }

    fn add(&mut self, from: &str, to: &str, engine: Engine) {
        self.steps.push(Step { from: from.to_owned(), to: to.to_owned(), engine });
    }

    /// Each language with the languages it can be translated into, itself included.
    pub fn pairs(&self) -> BTreeMap<String, Vec<String>> {
        let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for step in &self.steps {
            pairs.entry(step.from.clone()).or_default();
            pairs.entry(step.to.clone()).or_default();
        }
        let codes: Vec<String> = pairs.keys().cloned().collect();
        for (from, targets) in &mut pairs {
            targets.extend(codes.iter().filter(|to| self.route(from, to).is_some()).cloned());
        }
        pairs
    }

    /// Translates a text of any length.
    ///
    /// # Errors
    /// When no engines lead from one language to the other, or one fails.
    pub async fn translate(&self, text: &str, from: &str, to: &str) -> Result<String> {
        if from == to {
            return Ok(text.to_owned());
        }
        let route = self.route(from, to).with_context(|| format!("no engines lead from {from} to {to}"))?;
        let mut translated = Vec::new();
        for sentence in sentences::split(text) {
            translated.push(self.translate_sentence(sentence, &route).await?);
        }
        Ok(translated.join(" "))
    }

    async fn translate_sentence(&self, sentence: &str, route: &[usize]) -> Result<String> {
        let ends = route.first().zip(route.last());
        let (from, to) = ends.map_or(("", ""), |(a, b)| (&*self.steps[*a].from, &*self.steps[*b].to));
        if let Some(known) = self.phrases.whole(sentence, from, to) {
            return Ok(known);
        }
        let mut text = self.phrases.prepare(sentence, from, to);
        for &step in route {
            text = self.steps[step].engine.translate(&text).await?;
        }
        if to == "es" {
            text = sentences::open_spanish(&text);
        }
        text = self.phrases.repair(&text, from, to);
        let is_capital = sentence.chars().find(|c| c.is_alphanumeric()).is_some_and(char::is_uppercase);
        Ok(if is_capital { sentences::capitalised(&text) } else { text })
    }

    /// The fewest steps that lead there, as their places in `steps`.
    fn route(&self, from: &str, to: &str) -> Option<Vec<usize>> {
        let mut routes = VecDeque::from([(from, Vec::new())]);
        let mut seen = vec![from];
        while let Some((at, route)) = routes.pop_front() {
            if at == to {
                return Some(route);
            }
            for (number, step) in self.steps.iter().enumerate().filter(|(_, step)| step.from == at) {
                if !seen.contains(&step.to.as_str()) {
                    seen.push(&step.to);
                    let longer = route.iter().copied().chain([number]).collect();
                    routes.push_back((&step.to, longer));
                }
            }
        }
        None
    }
}
