//! The operator's command line of a command: fixed words, and places for the parameters that callers give instead.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::component::is_tool_name;

/// The parameter of a command for its words.
const WORDS: &str = "args";
/// The parameter of a command for its standard input, which callers give beside those of the command line.
const INPUT: &str = "stdin";

/// The words of a command line: `["--color=never", "{pattern}", "--", "{files}"]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandLine {
    words: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Parameter(String),
}

impl CommandLine {
    /// Parses the words. `{name}` stands for the value of a parameter, `{{` for a brace.
    ///
    /// # Errors
    /// The predicate of a sentence about the words.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let words = words.iter().map(|word| parse_word(word));
        Ok(Self {
            words: words.collect::<Result<_, _>>()?,
        })
    }

    fn parameters(&self) -> BTreeSet<&str> {
        let pieces = self.words.iter().flatten();
        let names = pieces.filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        });
        names.collect()
    }

    /// Returns the schema of the arguments that callers give. `own` is the command's schema, `given` the operator's; without
    /// it each parameter is a string that is required.
    ///
    /// # Errors
    /// The predicate of a sentence about the settings of the tool.
    pub(super) fn schema(
        &self,
        own: &Map<String, Value>,
        given: Option<&Map<String, Value>>,
    ) -> Result<Map<String, Value>, String> {
        let property = |name| own.get("properties")?.get(name);
        if property(WORDS).is_none_or(|words| words["type"] != "array") {
            return Err("has `args`, which is for commands alone; take it out".into());
        }
        let mut parameters = self.parameters();
        if let Some(given) = given {
            let properties = given.get("properties").and_then(Value::as_object);
            let known: BTreeSet<_> = properties.into_iter().flat_map(Map::keys).collect();
            let is_known = |name: &&&str| known.iter().any(|known| known == *name);
            if let Some(name) = parameters.iter().find(|name| !is_known(name)) {
                return Err(format!(
                    "has `{{{name}}}` in `args`, which `schema` does not describe"
                ));
            }
            parameters.insert(INPUT);
            let is_used = |name: &&String| parameters.contains(name.as_str());
            if let Some(name) = known.into_iter().find(|name| !is_used(name)) {
                return Err(format!(
                    "describes `{name}` in `schema`, which `args` does not use"
                ));
            }
            return Ok(given.clone());
        }
        let mut properties: Map<_, _> = parameters
            .iter()
            .map(|name| ((*name).to_owned(), json!({ "type": "string" })))
            .collect();
        if let Some(input) = property(INPUT).filter(|_| !parameters.contains(INPUT)) {
            properties.insert(INPUT.into(), input.clone());
        }
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": parameters,
            "additionalProperties": false,
        });
        Ok(schema.as_object().cloned().unwrap_or_default())
    }

    /// Returns the command's own arguments for those of a caller. A word is left out if one of its parameters is; a word
    /// that is a parameter and nothing else becomes one word for each item of an array.
    pub(super) fn expand(&self, mut arguments: Value) -> Value {
        let mut words = Vec::new();
        for word in &self.words {
            match &word[..] {
                [Piece::Parameter(name)] => match &arguments[name] {
                    Value::Array(items) => words.extend(items.iter().filter_map(text)),
                    value => words.extend(text(value)),
                },
                pieces => {
                    let texts = pieces.iter().map(|piece| match piece {
                        Piece::Text(text) => Some(text.clone()),
                        Piece::Parameter(name) => text(&arguments[name]),
                    });
                    words.extend(texts.collect::<Option<String>>());
                }
            }
        }
        let mut own = json!({ WORDS: words });
        if !self.parameters().contains(INPUT)
            && let Some(input) = arguments.get_mut(INPUT)
        {
            own[INPUT] = input.take();
        }
        own
    }
}

/// Returns a value as a word; `None` for a missing one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn parse_word(word: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let (mut literal, mut rest) = (String::new(), word);
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            literal.push('{');
            rest = after;
            continue;
        }
        let parameter = after.split_once('}').filter(|(name, _)| is_tool_name(name));
        let Some((name, after)) = parameter else {
            return Err(format!(
                "has a `{{` without the name of a parameter and `}}` in {word:?}; write `{{{{` for a brace"
            ));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Parameter(name.to_owned()));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}
