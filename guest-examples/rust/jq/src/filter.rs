//! A wrapper of the jq engine with the functions `compile` and `run`, and with error messages that a model can act on.

use std::fmt;

use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, Ctx, Vars, compile};
use jaq_json::{Val, read};
use serde_json::value::RawValue;

/// Longer messages quote a value of the input; they are truncated.
const MAX_MESSAGE_CHARS: usize = 400;

/// A compiled filter with the values of its variables.
pub struct Filter {
    compiled: jaq_core::Filter<JustLut<Val>>,
    variables: Vec<Val>,
}

/// The values that a filter produced.
pub struct Output {
    pub results: Vec<Box<RawValue>>,
    /// Whether the filter produced more results than these.
    pub truncated: bool,
}

/// A failure, described by one sentence without a full stop.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0.char_indices().nth(MAX_MESSAGE_CHARS) {
            None => f.write_str(&self.0),
            Some((end, _)) => write!(f, "{}…", &self.0[..end]),
        }
    }
}

impl Filter {
    /// Compiles `code`, which can use each variable as `$name`.
    pub fn compile<'a>(code: &str, variables: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let (names, variables) = bind(variables)?;

        // `now` and `env` are excluded, so that results depend only on the arguments.
        let funs = jaq_core::funs()
            .chain(jaq_std::funs().filter(|(name, ..)| !matches!(*name, "now" | "env")))
            .chain(jaq_json::funs())
            .chain(jaq_fmts::funs());
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());

        let arena = Arena::default();
        let modules =
            Loader::new(defs).load(&arena, File { code, path: () }).map_err(|errors| syntax_error(code, errors))?;
        let compiled = Compiler::default()
            .with_funs(funs)
            .with_global_vars(names.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| name_error(code, errors))?;
        Ok(Self { compiled, variables })
    }

    /// Runs the filter on one JSON text. Stops before the results exceed a limit.
    pub fn run(&self, input: &str, max_results: usize, max_bytes: usize) -> Result<Output, Error> {
        let input = json(input)?;
        let context = Ctx::<JustLut<Val>>::new(&self.compiled.lut, Vars::new(self.variables.iter().cloned()));
        let mut output = Output { results: Vec::new(), truncated: false };
        let mut bytes = 0;
        for result in self.compiled.id.run((context, input)) {
            let value = match result {
                Ok(value) => value,
                Err(exception) => match exception.get_err() {
                    Ok(error) => return Err(Error(format!("the filter failed: {error}"))),
                    // Any other exception is `halt`, which ends the filter early.
                    Err(_) => return Ok(output),
                },
            };
            let text = to_json(&value)?;
            bytes += text.get().len();
            if output.results.len() == max_results || bytes > max_bytes {
                output.truncated = true;
                return Ok(output);
            }
            output.results.push(text);
        }
        Ok(output)
    }
}

/// Returns the names with a `$` prefix, and the values in the same order.
fn bind<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(Vec<String>, Vec<Val>), Error> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut names = Vec::new();
    let mut values = Vec::new();
    for (name, value) in variables {
        if !is_name(name) {
            return Err(Error(format!("{name:?} cannot name a variable: use letters, digits and _")));
        }
        names.push(format!("${name}"));
        values.push(json(value)?);
    }
    Ok((names, values))
}

fn json(text: &str) -> Result<Val, Error> {
    read::parse_single(text.as_bytes()).map_err(|error| Error(format!("the input is not JSON: {error}")))
}

/// Returns the JSON text of a value.
///
/// Fails for values that JSON cannot represent (infinite, nan, byte strings, numbers as keys), and for nesting that is
/// too deep for JSON parsers. The result is text and not a parsed value, because parsing rounds large numbers.
fn to_json(value: &Val) -> Result<Box<RawValue>, Error> {
    let text = value.to_string();
    match serde_json::from_str::<serde_json::Value>(&text).and_then(|_| RawValue::from_string(text)) {
        Ok(text) => Ok(text),
        Err(error) => Err(Error(format!("the filter produced a value that JSON cannot carry ({error}): {value}"))),
    }
}

fn syntax_error(code: &str, errors: load::Errors<&str, ()>) -> Error {
    let first = errors.into_iter().find_map(|(_, error)| match error {
        load::Error::Io(errors) => errors.into_iter().next().map(|(path, error)| format!("{path}: {error}")),
        load::Error::Lex(errors) => errors.into_iter().next().map(|error| lex_error(code, error)),
        load::Error::Parse(errors) => errors.into_iter().next().map(|error| parse_error(code, error)),
    });
    Error(format!("the filter is not valid jq: {}", first.unwrap_or_default()))
}

fn lex_error(code: &str, (expected, found): lex::Error<&str>) -> String {
    let open = match expected {
        lex::Expect::Delim(open) => format!(" for the one opened {}", position(code, open)),
        _ => String::new(),
    };
    let next: String = found.chars().take(1).collect();
    format!("expected {}{open} but found {}", expected.as_str(), found_at(code, found, &next))
}

fn parse_error(code: &str, (expected, found): parse::Error<&str>) -> String {
    format!("expected {} but found {}", expected.as_str(), found_at(code, found, found))
}

fn found_at(code: &str, found: &str, shown: &str) -> String {
    if found.is_empty() { "the end".into() } else { format!("`{shown}` {}", position(code, found)) }
}

fn name_error(code: &str, errors: compile::Errors<&str, ()>) -> Error {
    let first = errors.into_iter().flat_map(|(_, errors)| errors).next().map(|(name, undefined)| {
        let kind = match undefined {
            compile::Undefined::Filter(0) => "filter".to_owned(),
            compile::Undefined::Filter(arity) => format!("filter with {arity} arguments"),
            other => other.as_str().to_owned(),
        };
        format!("there is no {kind} named `{name}` ({})", position(code, name))
    });
    Error(format!("the filter is not valid jq: {}", first.unwrap_or_default()))
}

/// Returns the line and the column where `part`, a slice of `code`, starts.
fn position(code: &str, part: &str) -> String {
    let before = &code[..load::span(code, part).start];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("at line {line}, column {column}")
}
