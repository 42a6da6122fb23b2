//! Apertium: a chain of small programs that stay running, one text after another through all of them.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::programs::Tree;

const MODES: &str = "usr/share/apertium/modes";
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest answer to one text, in bytes.
const LONGEST: usize = 64 << 10;

/// One direction of translation.
pub struct Apertium {
    tree: Tree,
    chain: Vec<Vec<String>>,
    running: Mutex<Option<Running>>,
}

/// Dropped, the first program sees the end of its input, and so do the others in turn.
struct Running {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _children: Vec<Child>,
}

/// The directions that are installed: mode name, from, to.
pub fn installed(tree: &Tree) -> Vec<(String, String, String)> {
    let Ok(files) = fs::read_dir(tree.path(MODES)) else { return Vec::new() };
    let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
    let mut modes: Vec<_> = names
        .filter_map(|file| {
            let name = file.strip_suffix(".mode")?.to_owned();
            let (from, to) = name.split_once('-')?;
            let is_code = |code: &str| code.len() == 2 && code.chars().all(|c| c.is_ascii_lowercase());
            (is_code(from) && is_code(to)).then(|| (name.clone(), from.to_owned(), to.to_owned()))
        })
        .collect();
    modes.sort();
    modes
}

impl Apertium {
    /// Reads the mode `name` (`pt-es`) and starts its programs.
    ///
    /// # Errors
    /// When the mode cannot be read or one of its programs is missing.
    pub fn start(tree: &Tree, name: &str) -> Result<Self> {
        let path = tree.path(MODES).join(format!("{name}.mode"));
        let mode = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let chain = chain(&mode).with_context(|| format!("{} cannot be understood", path.display()))?;
        for program in &chain {
            tree.program(&program[0])?;
        }
        let mut apertium = Self { tree: tree.clone(), chain, running: Mutex::new(None) };
        *apertium.running.get_mut() = Some(apertium.spawn()?);
        Ok(apertium)
    }

    /// Translates one sentence. The programs are started again when they have ended.
    ///
    /// # Errors
    /// When they end twice or take too long.
    pub async fn translate(&self, text: &str) -> Result<String> {
        let mut running = self.running.lock().await;
        let escaped = escape(text);
        for attempt in 0..2 {
            // Taken out, so that a chain that fails or is cancelled half way is not used again.
            let mut chain = match running.take() {
                Some(chain) => chain,
                None => self.spawn()?,
            };
            match timeout(DEADLINE, chain.translate(&escaped)).await {
                Ok(Ok(translated)) => {
                    *running = Some(chain);
                    return Ok(unescape(&translated));
                }
                Ok(Err(error)) if attempt == 0 => log::warn!("Apertium is started again: {error:#}"),
                Ok(Err(error)) => return Err(error.context("Apertium ends at once")),
                Err(_) => bail!("Apertium takes too long"),
            }
        }
        bail!("Apertium ends at once")
    }

    fn spawn(&self) -> Result<Running> {
        let mut children: Vec<Child> = Vec::new();
        let mut previous: Option<ChildStdout> = None;
        let mut input = None;
        for program in &self.chain {
            let mut command = self.tree.command(&self.tree.program(&program[0])?);
            for argument in &program[1..] {
                match argument.strip_prefix('/') {
                    Some(path) => command.arg(self.tree.path(path)),
                    None => command.arg(argument),
                };
            }
            let stdin = match previous.take() {
                Some(output) => output.try_into()?,
                None => Stdio::piped(),
            };
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null()).env("LC_ALL", "C.UTF-8");
            let mut child = tokio::process::Command::from(command)
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("cannot start {}", program[0]))?;
            previous = child.stdout.take();
            input = input.or(child.stdin.take());
            children.push(child);
        }
        let (Some(input), Some(output)) = (input, previous) else { bail!("the chain is empty") };
        Ok(Running { input, output: BufReader::new(output), _children: children })
    }
}

impl Running {
    async fn translate(&mut self, escaped: &str) -> Result<String> {
        self.input.write_all(escaped.as_bytes()).await?;
        self.input.write_all(b"\0").await?;
        self.input.flush().await?;
        let mut answer = Vec::new();
        loop {
            match self.output.read_u8().await.context("a program of the chain has ended")? {
                0 => break,
                _ if answer.len() >= LONGEST => bail!("the answer is too long"),
                byte => answer.push(byte),
            }
        }
        Ok(String::from_utf8(answer)?)
    }
}

/// A mode file is a shell pipeline, `lt-proc '/usr/…/x.bin' | apertium-tagger -g $2 '…' | …`. Gives the programs with
/// their arguments, set to answer each text at its closing NUL.
fn chain(mode: &str) -> Result<Vec<Vec<String>>> {
    let mut chain = Vec::new();
    for stage in mode.trim().split('|') {
        let words = stage.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
        // $1 says how to generate: -n leaves unknown words unmarked. $2 is for the tagger's own marks.
        let words = words.map(|word| if word == "$1" { "-n" } else { word }).filter(|word| *word != "$2");
        let words: Vec<String> = words.map(str::to_owned).collect();
        let Some((program, arguments)) = words.split_first() else { bail!("a stage is empty") };
        if !program.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            bail!("{program:?} is no program");
        }
        match (program.as_str(), arguments) {
            // apertium-transfer 3.9 mistakes the entries of older dictionaries; looked up by lt-proc they are right.
            ("apertium-transfer", [rules, compiled, dictionary]) => {
                chain.push(owned(&["lt-proc", "-z", "-b", dictionary]));
                chain.push(owned(&["apertium-transfer", "-z", "-b", rules, compiled]));
            }
            ("cg-proc", _) => bail!("constraint grammar is not supported"),
            _ => {
                let mut whole = owned(&[program, "-z"]);
                whole.extend_from_slice(arguments);
                chain.push(whole);
            }
        }
    }
    Ok(chain)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Characters with a meaning in Apertium's stream are quoted; a text is one line.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '^' | '$' | '/' | '<' | '>' | '{' | '}' | '[' | ']' | '@' | '\\' | '*' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    // An empty blank, so that the last word ends here.
    escaped.push_str("[]");
    escaped
}

fn unescape(text: &str) -> String {
    let text = text.trim().trim_end_matches("[]");
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_file_becomes_a_chain_that_answers_at_nul() {
        let mode = "lt-proc '/d/a.bin' | apertium-tagger -g $2 '/d/b.prob' | apertium-pretransfer | \
                    apertium-transfer '/d/t1x' '/d/t1x.bin' '/d/bil.bin' | lt-proc $1 '/d/gen.bin'\n";
        let lines: Vec<String> = chain(mode).unwrap().iter().map(|program| program.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "lt-proc -z /d/a.bin",
                "apertium-tagger -z -g /d/b.prob",
                "apertium-pretransfer -z",
                "lt-proc -z -b /d/bil.bin",
                "apertium-transfer -z -b /d/t1x /d/t1x.bin",
                "lt-proc -z -n /d/gen.bin",
            ]
        );
        assert!(chain("lt-proc a | $(reboot)").is_err());
        assert!(chain("lt-proc a | | b").is_err());
    }

    #[test]
    fn stream_characters_survive() {
        let text = r"a/b [c] ^d$ \e *f @g";
        assert_eq!(unescape(&escape(text)), text);
        assert_eq!(escape("a\0b\nc"), "a b c[]");
    }
}
