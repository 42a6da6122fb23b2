//! Whisper's weights from CTranslate2's file format to whisper.cpp's, quantised to 8 bits.
//!
//! Both hold the same tensors under other names; CTranslate2 keeps query, key and value of an attention as one.
//! The result depends on nothing but the input, so that a manifest can pin its hash.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use half::f16;

/// Sizes of Whisper base, multilingual.
const STATE: usize = 512;
const HEADS: usize = 8;
const LAYERS: usize = 6;
const AUDIO_CONTEXT: usize = 1500;
const TEXT_CONTEXT: usize = 448;
const TOKENS: usize = 51_865;
/// Tokens that are text; the rest are Whisper's own marks, which whisper.cpp knows by number.
const TEXT_TOKENS: usize = 50_257;
const MELS: usize = 80;
const SPECTRUM: usize = 201;

const GGML_MAGIC: usize = 0x6767_6d6c;
/// Quantisation format 2, whole file mostly `q8_0`.
const FILE_TYPE: usize = 2007;
const TYPE_F32: usize = 0;
const TYPE_F16: usize = 1;
const TYPE_Q8_0: usize = 8;
const BLOCK: usize = 32;

/// CTranslate2's number for 16-bit floats.
const CT2_F16: u8 = 4;

/// Converts `model.bin` and `vocabulary.txt` of a CTranslate2 Whisper base in 16-bit floats.
///
/// # Errors
/// When the files are cut off, or hold another model.
pub fn whisper_from_ctranslate2(model: &[u8], vocabulary: &str) -> Result<Vec<u8>> {
    let tensors = read_tensors(model).context("model.bin is no CTranslate2 Whisper base in 16-bit floats")?;
    let mut out = Vec::with_capacity(model.len());
    let sizes = [TOKENS, AUDIO_CONTEXT, STATE, HEADS, LAYERS, TEXT_CONTEXT, STATE, HEADS, LAYERS, MELS];
    put(&mut out, &[GGML_MAGIC]);
    put(&mut out, &sizes);
    put(&mut out, &[FILE_TYPE, MELS, SPECTRUM]);
    put_floats(&mut out, mel_filters().into_iter());
    put_vocabulary(&mut out, vocabulary)?;
    let mut converter = Converter { tensors, out };
    converter.encoder()?;
    converter.decoder()?;
    Ok(converter.out)
}

/// A tensor of 16-bit floats, row-major.
struct Tensor<'a> {
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// Part `index` of `count` equal parts along the first axis.
    fn part(&self, index: usize, count: usize) -> Tensor<'a> {
        let mut shape = self.shape.clone();
        shape[0] /= count;
        let length = self.bytes.len() / count;
        Tensor { shape, bytes: &self.bytes[index * length..(index + 1) * length] }
    }

    fn floats(&self) -> impl Iterator<Item = f32> + '_ {
        self.bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
    }
}

fn read_tensors(model: &[u8]) -> Result<HashMap<String, Tensor<'_>>> {
    let mut reader = Reader { rest: model };
    let version = reader.u32()?;
    let specification = reader.text()?;
    ensure!(version == 6 && specification == "WhisperSpec", "version {version} of {specification:?}");
    reader.u32()?;
    let mut tensors = HashMap::new();
    for _ in 0..reader.u32()? {
        let name = reader.text()?;
        let rank = reader.u8()?;
        let shape: Vec<usize> = (0..rank).map(|_| reader.u32()).collect::<Result<_>>()?;
        let kind = reader.u8()?;
        let length = reader.u32()?;
        let bytes = reader.take(length)?;
        if kind == CT2_F16 && rank > 0 {
            ensure!(
                shape.iter().product::<usize>() * 2 == length,
                "{name} has another length than its shape"
            );
            tensors.insert(name, Tensor { shape, bytes });
        }
    }
    Ok(tensors)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).context("the file is cut off")?;
        self.rest = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<usize> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    /// A length of 16 bits, then that many bytes, the last of which is 0.
    fn text(&mut self) -> Result<String> {
        let bytes = self.take(2)?;
        let text = self.take(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))?;
        let text = text.strip_suffix(b"\0").context("a name has no end")?;
        Ok(String::from_utf8(text.to_vec())?)
    }
}

/// Writes tensors in the order in which Whisper's modules hold them.
struct Converter<'a> {
    tensors: HashMap<String, Tensor<'a>>,
    out: Vec<u8>,
}

impl<'a> Converter<'a> {
    fn encoder(&mut self) -> Result<()> {
        self.floats("encoder.positional_embedding", "encoder/position_encodings/encodings")?;
        for conv in ["conv1", "conv2"] {
            let tensor = self.tensor(&format!("encoder/{conv}/weight"))?;
            put_tensor(&mut self.out, &format!("encoder.{conv}.weight"), &tensor, TYPE_F16);
            let mut bias = self.tensor(&format!("encoder/{conv}/bias"))?;
            bias.shape.push(1);
            put_tensor(&mut self.out, &format!("encoder.{conv}.bias"), &bias, TYPE_F32);
        }
        for layer in 0..LAYERS {
            self.block(&format!("encoder.blocks.{layer}"), &format!("encoder/layer_{layer}"), false)?;
        }
        self.norm("encoder.ln_post", "encoder/layer_norm")
    }

    fn decoder(&mut self) -> Result<()> {
        self.floats("decoder.positional_embedding", "decoder/position_encodings/encodings")?;
        let embedding = self.tensor("decoder/embeddings/weight")?;
        ensure!(embedding.shape == [TOKENS, STATE], "the model is not Whisper base, multilingual");
        put_tensor(&mut self.out, "decoder.token_embedding.weight", &embedding, TYPE_Q8_0);
        for layer in 0..LAYERS {
            self.block(&format!("decoder.blocks.{layer}"), &format!("decoder/layer_{layer}"), true)?;
        }
        self.norm("decoder.ln", "decoder/layer_norm")
    }

    fn block(&mut self, to: &str, from: &str, is_decoder: bool) -> Result<()> {
        self.attention(&format!("{to}.attn"), &format!("{from}/self_attention"), false)?;
        self.norm(&format!("{to}.attn_ln"), &format!("{from}/self_attention/layer_norm"))?;
        if is_decoder {
            self.attention(&format!("{to}.cross_attn"), &format!("{from}/attention"), true)?;
            self.norm(&format!("{to}.cross_attn_ln"), &format!("{from}/attention/layer_norm"))?;
        }
        self.linear(&format!("{to}.mlp.0"), &format!("{from}/ffn/linear_0"), 0, 1)?;
        self.linear(&format!("{to}.mlp.2"), &format!("{from}/ffn/linear_1"), 0, 1)?;
        self.norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"))
    }

    /// A self-attention has query, key and value in `linear_0`; a cross-attention key and value in `linear_1`.
    fn attention(&mut self, to: &str, from: &str, is_cross: bool) -> Result<()> {
        let fused = |index: usize| format!("{from}/linear_{index}");
        let (query, key, value, last) = if is_cross {
            ((fused(0), 0, 1), (fused(1), 0, 2), (fused(1), 1, 2), fused(2))
        } else {
            ((fused(0), 0, 3), (fused(0), 1, 3), (fused(0), 2, 3), fused(1))
        };
        self.linear(&format!("{to}.query"), &query.0, query.1, query.2)?;
        let weight = self.tensor(&format!("{}/weight", key.0))?.part(key.1, key.2);
        put_tensor(&mut self.out, &format!("{to}.key.weight"), &weight, TYPE_Q8_0);
        let bias = self.tensor(&format!("{}/bias", key.0))?.part(key.1, key.2);
        // Whisper's keys have no bias, and whisper.cpp no place for one.
        ensure!(bias.bytes.iter().all(|&byte| byte == 0), "{from} has a key bias");
        self.linear(&format!("{to}.value"), &value.0, value.1, value.2)?;
        self.linear(&format!("{to}.out"), &last, 0, 1)
    }

    fn linear(&mut self, to: &str, from: &str, index: usize, count: usize) -> Result<()> {
        let weight = self.tensor(&format!("{from}/weight"))?.part(index, count);
        put_tensor(&mut self.out, &format!("{to}.weight"), &weight, TYPE_Q8_0);
        let bias = self.tensor(&format!("{from}/bias"))?.part(index, count);
        put_tensor(&mut self.out, &format!("{to}.bias"), &bias, TYPE_F32);
        Ok(())
    }

    fn norm(&mut self, to: &str, from: &str) -> Result<()> {
        self.floats(&format!("{to}.weight"), &format!("{from}/gamma"))?;
        self.floats(&format!("{to}.bias"), &format!("{from}/beta"))
    }

    fn floats(&mut self, to: &str, from: &str) -> Result<()> {
        let tensor = self.tensor(from)?;
        put_tensor(&mut self.out, to, &tensor, TYPE_F32);
        Ok(())
    }

    /// A view of the tensor `name`, whose rows are whole blocks and thirds.
    fn tensor(&self, name: &str) -> Result<Tensor<'a>> {
        let Some(found) = self.tensors.get(name) else { bail!("{name} is missing") };
        ensure!(!found.shape.contains(&0), "{name} is empty");
        Ok(Tensor { shape: found.shape.clone(), bytes: found.bytes })
    }
}

fn put(out: &mut Vec<u8>, numbers: &[usize]) {
    for &number in numbers {
        out.extend_from_slice(&(number as u32).to_le_bytes());
    }
}

fn put_floats(out: &mut Vec<u8>, floats: impl Iterator<Item = f32>) {
    floats.for_each(|float| out.extend_from_slice(&float.to_le_bytes()));
}

fn put_tensor(out: &mut Vec<u8>, name: &str, tensor: &Tensor<'_>, kind: usize) {
    put(out, &[tensor.shape.len(), name.len(), kind]);
    let innermost_first: Vec<usize> = tensor.shape.iter().rev().copied().collect();
    put(out, &innermost_first);
    out.extend_from_slice(name.as_bytes());
    match kind {
        TYPE_F32 => put_floats(out, tensor.floats()),
        TYPE_F16 => out.extend_from_slice(tensor.bytes),
        _ => tensor.bytes.chunks_exact(2 * BLOCK).for_each(|block| put_q8_0(out, block)),
    }
}

/// 32 floats as one 16-bit scale and 32 signed bytes.
fn put_q8_0(out: &mut Vec<u8>, block: &[u8]) {
    let tensor = Tensor { shape: vec![BLOCK], bytes: block };
    let largest = tensor.floats().fold(0.0_f32, |largest, float| largest.max(float.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    out.extend(tensor.floats().map(|float| (float * inverse).round() as i8 as u8));
}

/// Each token as its bytes. In the vocabulary file a byte that is no printable character stands as another one.
fn put_vocabulary(out: &mut Vec<u8>, vocabulary: &str) -> Result<()> {
    let bytes_of = byte_alphabet();
    put(out, &[TEXT_TOKENS]);
    let mut written = 0;
    for token in vocabulary.split('\n').take(TEXT_TOKENS) {
        let bytes: Option<Vec<u8>> = token.chars().map(|letter| bytes_of.get(&letter).copied()).collect();
        let bytes = bytes.with_context(|| format!("vocabulary.txt: {token:?} is no token"))?;
        put(out, &[bytes.len()]);
        out.extend_from_slice(&bytes);
        written += 1;
    }
    ensure!(written == TEXT_TOKENS, "vocabulary.txt has {written} tokens of {TEXT_TOKENS}");
    Ok(())
}

/// GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for U+0100 and on.
fn byte_alphabet() -> HashMap<char, u8> {
    let is_printable = |byte: &u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let (printable, others): (Vec<u8>, Vec<u8>) = (0..=u8::MAX).partition(is_printable);
    let shifted = others.into_iter().zip('\u{100}'..).map(|(byte, letter)| (letter, byte));
    printable.into_iter().map(|byte| (char::from(byte), byte)).chain(shifted).collect()
}

/// The 80 triangular filters over 0 to 8 kHz that Whisper was trained with (Slaney's scale, equal areas).
fn mel_filters() -> Vec<f32> {
    let top = 15.0 + (8000.0_f64 / 1000.0).ln() / (6.4_f64.ln() / 27.0);
    let edges: Vec<f64> = (0..MELS + 2).map(|i| hertz(top * i as f64 / (MELS + 1) as f64)).collect();
    let mut filters = Vec::with_capacity(MELS * SPECTRUM);
    for edge in edges.windows(3) {
        let (low, peak, high) = (edge[0], edge[1], edge[2]);
        for bin in 0..SPECTRUM {
            let frequency = 8000.0 * bin as f64 / (SPECTRUM - 1) as f64;
            let slope = ((frequency - low) / (peak - low)).min((high - frequency) / (high - peak));
            filters.push((slope.max(0.0) * 2.0 / (high - low)) as f32);
        }
    }
    filters
}

fn hertz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * ((6.4_f64.ln() / 27.0) * (mel - 15.0)).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_keeps_the_largest_exactly_and_the_rest_within_half_a_step() {
        let floats: Vec<f16> = (0..BLOCK).map(|i| f16::from_f32((i as f32 - 20.0) * 0.125)).collect();
        let bytes: Vec<u8> = floats.iter().flat_map(|f| f.to_le_bytes()).collect();
        let mut out = Vec::new();
        put_q8_0(&mut out, &bytes);
        assert_eq!(out.len(), 34);
        let scale = f16::from_le_bytes([out[0], out[1]]).to_f32();
        assert_eq!(out[2] as i8, -127);
        for (quantised, float) in out[2..].iter().zip(&floats) {
            assert!((f32::from(*quantised as i8) * scale - float.to_f32()).abs() < 0.51 * scale);
        }
    }

    #[test]
    fn all_bytes_have_a_letter() {
        let alphabet = byte_alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!((alphabet[&'!'], alphabet[&'Ġ'], alphabet[&'ÿ']), (b'!', b' ', 0xff));
    }

    #[test]
    fn filters_have_equal_areas() {
        let filters = mel_filters();
        assert_eq!(filters.len(), MELS * SPECTRUM);
        // 40 Hz a bin; narrow filters are sampled too coarsely to tell.
        let area: f32 = filters[79 * SPECTRUM..].iter().sum::<f32>() * 40.0;
        assert!((area - 1.0).abs() < 0.02, "{area}");
    }

    #[test]
    fn foreign_files_are_refused() {
        assert!(whisper_from_ctranslate2(b"", "").is_err());
        assert!(whisper_from_ctranslate2(&[0xff; 64], "").is_err());
        let cut_off =
            [6u32.to_le_bytes().as_slice(), &[12, 0], b"WhisperSpec\0", &[0, 0, 0, 0, 9, 0, 0, 0]].concat();
        assert!(whisper_from_ctranslate2(&cut_off, "").is_err());
    }
}
