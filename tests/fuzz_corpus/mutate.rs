//! Random mutations of inputs.

use crate::support::rng::Rng;

/// Maximum size of a mutated input.
const MAX_BYTES: usize = 32 << 10;
/// Maximum number of mutations of one input.
const MAX_MUTATIONS: usize = 6;
/// Maximum number of times that a part is repeated: beyond the nesting that any parser allows.
const MAX_REPETITIONS: usize = 400;

/// Bytes that have a meaning in JSON, TOML, URLs, tokens or WebAssembly.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \"'\\{}[]()<>,:;.=+-*/%#$@?&~_09aAeEzZ";
/// Words that the formats give a meaning.
const WORDS: [&str; 20] = [
    "null",
    "true",
    "1e999",
    "-0",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{202E}",
    "\u{1b}[31m",
    "%2e%2e%2f",
    "{\"$serde_json::private::RawValue\":\"[]\"}",
    "{\"$serde_json::private::Number\":\"1\"}",
    "{\"$ref\":\"#\"}",
    "{\"allOf\":[{\"$ref\":\"#\"}]}",
    "\"type\":\"object\",",
    "\"id\":\"a\",",
    "\"aud\":[],",
    "[[",
    "]]",
    "\n",
];

/// Returns a random input of the corpus after one or more random changes.
pub(crate) fn mutated(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = rng.choose(corpus).clone();
    for _ in 0..=rng.below(MAX_MUTATIONS) {
        mutate(rng, &mut input, corpus);
        input.truncate(MAX_BYTES);
    }
    input
}

fn mutate(rng: &mut Rng, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = rng.below(input.len() + 1);
    match rng.below(8) {
        0 => match input.get_mut(at) {
            Some(byte) => *byte ^= 1 << rng.below(8),
            None => input.push(*rng.choose(BYTES)),
        },
        1 => match input.get_mut(at) {
            Some(byte) => *byte = *rng.choose(BYTES),
            None => input.push(*rng.choose(BYTES)),
        },
        2 => input.insert(at, *rng.choose(BYTES)),
        3 => insert(input, at, rng.choose(&WORDS).as_bytes()),
        4 => drop(input.drain(part(rng, at, input.len(), 16))),
        5 => {
            let other = rng.choose(corpus);
            let start = rng.below(other.len() + 1);
            let piece = &other[part(rng, start, other.len(), 64)];
            insert(input, at, piece);
        }
        6 => {
            let piece = input[part(rng, at, input.len(), 16)].to_vec();
            insert(input, at, &piece.repeat(1 + rng.below(4)));
        }
        _ => {
            let piece = input[part(rng, at, input.len(), 8)].to_vec();
            insert(input, at, &piece.repeat(rng.below(MAX_REPETITIONS)));
        }
    }
}

/// Returns a random range from `start` of up to `max` bytes.
fn part(rng: &mut Rng, start: usize, end: usize, max: usize) -> std::ops::Range<usize> {
    start..end.min(start + 1 + rng.below(max))
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}
