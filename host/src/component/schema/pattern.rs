//! Regular expressions of schemas, compiled and matched within limits of memory and work.
//!
//! The engine's time is linear in the text and in the compiled pattern, so the product is what a match is charged for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// Maximum memory of the compiled patterns of a component, in bytes. A pattern of an identifier, a date or a URL takes
/// 1 to 20 KiB.
const MAX_COMPONENT_BYTES: usize = 16 << 20;
/// Maximum size of the automaton of one pattern. The engine keeps up to [`AUTOMATA`] of them.
const MAX_AUTOMATON_BYTES: usize = 1 << 20;
/// Automata of a pattern: forwards and backwards, with as much for tables derived from them.
const AUTOMATA: usize = 4;
/// Maximum length of the text of a pattern. The parser takes some 100 bytes of memory for each.
const MAX_TEXT_BYTES: usize = 16 << 10;
/// Maximum number of `\cX` in a pattern, each of which makes the translation start again.
const MAX_CONTROL_ESCAPES: usize = 16;
/// Maximum nesting of groups in a pattern.
const MAX_NESTING: u32 = 64;
/// Memory for the states that matching derives from a pattern. It is released after each match.
const MATCH_CACHE_BYTES: usize = 256 << 10;
/// Steps of the engine that cost one unit of work. The slowest engine takes a step per state and byte of the text.
const STEPS_PER_WORK: u64 = 16;

/// A compiled pattern.
pub(super) struct Pattern {
    /// The pattern as the schema has it.
    pub(super) source: Box<str>,
    regex: Regex,
    states: u64,
}

/// The memory that is left for the compiled patterns of one component.
pub(crate) struct PatternSpace {
    bytes_left: usize,
}

impl PatternSpace {
    pub(crate) fn new() -> Self {
        Self {
            bytes_left: MAX_COMPONENT_BYTES,
        }
    }
}

impl Pattern {
    /// Compiles a pattern of ECMA-262.
    ///
    /// # Errors
    /// The defect, as the predicate of a sentence.
    pub(super) fn new(source: &str, space: &mut PatternSpace) -> Result<Self, String> {
        if source.len() > MAX_TEXT_BYTES {
            return Err(format!("is a pattern of more than {MAX_TEXT_BYTES} bytes"));
        }
        if source.matches("\\c").count() > MAX_CONTROL_ESCAPES {
            return Err(format!("has more than {MAX_CONTROL_ESCAPES} escapes `\\c`"));
        }
        // A pattern that fails is charged too: compiling up to the limit takes time.
        let max_bytes = (AUTOMATA * MAX_AUTOMATON_BYTES).min(space.bytes_left);
        space.bytes_left -= max_bytes;
        if max_bytes == 0 {
            return Err(too_large());
        }
        let (regex, states) = compile(source, max_bytes)?;
        space.bytes_left += max_bytes.saturating_sub(regex.memory_usage());
        Ok(Self {
            source: source.into(),
            regex,
            states,
        })
    }

    /// Returns the work of matching a text.
    pub(super) fn work(&self, text: &str) -> u64 {
        self.states.saturating_mul(text.len() as u64 + 1) / STEPS_PER_WORK + 1
    }

    /// Returns whether the pattern occurs in a text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        // A cache that outlives the match would take memory for each pattern and thread.
        let mut cache = self.regex.create_cache();
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        // The engine has panicked on rare patterns (https://github.com/rust-lang/regex/issues/1344).
        let search = || self.regex.search_half_with(&mut cache, &input).is_some();
        catch_unwind(AssertUnwindSafe(search)).unwrap_or(false)
    }
}

/// Compiles a pattern. Also returns its number of states.
fn compile(source: &str, max_bytes: usize) -> Result<(Regex, u64), String> {
    let invalid = || "is not a regular expression that this host supports".to_owned();
    let translate = || jsonschema_regex::to_rust_regex(source);
    let translated = catch_unwind(translate)
        .ok()
        .and_then(Result::ok)
        .ok_or_else(invalid)?;
    let syntax = syntax::Config::new().nest_limit(MAX_NESTING);
    let config = Config::new()
        .which_captures(WhichCaptures::Implicit)
        .nfa_size_limit(Some(max_bytes / AUTOMATA))
        .onepass_size_limit(Some(max_bytes / AUTOMATA))
        .hybrid_cache_capacity(MATCH_CACHE_BYTES);
    let regex = Regex::builder()
        .configure(config)
        .syntax(syntax)
        .build(&translated)
        .map_err(|e| match e.size_limit() {
            Some(_) => too_large(),
            None => invalid(),
        })?;
    if regex.memory_usage() > max_bytes {
        return Err(too_large());
    }
    // The engine does not tell its number of states.
    let config = thompson::Config::new().which_captures(WhichCaptures::Implicit);
    let automaton = thompson::Compiler::new()
        .configure(config)
        .syntax(syntax)
        .build(&translated)
        .map_err(|_| invalid())?;
    Ok((regex, automaton.states().len() as u64))
}

fn too_large() -> String {
    format!(
        "is too large: a compiled pattern may take {} MiB and those of a component {} MiB together; write it shorter, \
         with smaller repetitions",
        MAX_AUTOMATON_BYTES >> 20,
        MAX_COMPONENT_BYTES >> 20
    )
}
