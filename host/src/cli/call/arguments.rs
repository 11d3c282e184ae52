//! The arguments of `toolcrib call`: a JSON object, or `name=value` pairs that the tool's schema gives their types.

use std::io::Read;

use serde_json::{Map, Value};

use super::schema_types::{self, Types};

/// Upper limit of arguments read from standard input.
const MAX_INPUT_BYTES: u64 = 4 << 20;
/// Arguments that a message names.
const MAX_NAMED: usize = 20;

/// Arguments as they are given, before the tool is known.
#[derive(Debug)]
pub(super) enum Given {
    Object(Map<String, Value>),
    /// Names and values, in order.
    Pairs(Vec<(String, String)>),
}

impl Given {
    /// Reads the arguments of the command line, or of standard input for `-`.
    ///
    /// # Errors
    /// One sentence: they are neither a JSON object nor pairs.
    pub(super) fn read(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self::Object(Map::new())),
            [one] if one == "-" => parse(&read_input()?),
            [one] if one.starts_with(['{', '[', '"']) || !one.contains('=') => parse(one),
            all => {
                let pairs = all.iter().map(|argument| match argument.split_once('=') {
                    Some((name, value)) if !argument.starts_with('{') => {
                        Ok((name.to_owned(), value.to_owned()))
                    }
                    _ => Err(format!(
                        "`{argument}` is not `name=value`; give the arguments as such pairs or as one JSON object"
                    )),
                });
                pairs.collect::<Result<_, _>>().map(Self::Pairs)
            }
        }
    }

    /// Returns the arguments as JSON of the types in a schema.
    ///
    /// # Errors
    /// One sentence: an argument is unknown, or its value does not fit.
    pub(super) fn convert(self, schema: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let pairs = match self {
            Self::Object(object) => return Ok(object),
            Self::Pairs(pairs) => pairs,
        };
        let mut arguments: Map<String, Value> = Map::new();
        for (name, text) in pairs {
            let property =
                schema_types::property(schema, &name).ok_or_else(|| unknown(schema, &name))?;
            let types = schema_types::of(schema, property);
            let earlier = arguments.get_mut(&name);
            let value = match earlier {
                Some(Value::Array(items)) if types.array => {
                    let item = schema_types::items(schema, property);
                    items.push(convert_text(&name, &text, schema_types::of(schema, item))?);
                    continue;
                }
                Some(_) => return Err(format!("`{name}` is given twice, and is not an array")),
                None => match convert_text(&name, &text, types) {
                    Err(_) if types.array => {
                        let item = schema_types::items(schema, property);
                        let item = convert_text(&name, &text, schema_types::of(schema, item))?;
                        Value::Array(vec![item])
                    }
                    value => value?,
                },
            };
            arguments.insert(name, value);
        }
        Ok(arguments)
    }
}

fn read_input() -> Result<String, String> {
    let mut input = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES + 1)
        .read_to_string(&mut input)
        .map_err(|e| format!("the arguments cannot be read: {e}"))?;
    if input.len() as u64 > MAX_INPUT_BYTES {
        return Err(format!(
            "the arguments on standard input are larger than {MAX_INPUT_BYTES} bytes"
        ));
    }
    Ok(input)
}

fn parse(text: &str) -> Result<Given, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(Given::Object(arguments)),
        Ok(_) => Err("the arguments must be a JSON object, such as '{\"city\":\"Oslo\"}', or pairs, such as `city=Oslo`".into()),
        Err(error) => Err(format!(
            "the arguments are not valid JSON: {error}; they are a JSON object, such as '{{\"city\":\"Oslo\"}}', or pairs, such as \
             `city=Oslo`"
        )),
    }
}

/// Converts the text of a value. A text that can be several types becomes a number, `true`, `false` or `null` rather than a
/// string.
fn convert_text(name: &str, text: &str, types: Types) -> Result<Value, String> {
    if types.is_only_string() {
        return Ok(text.into());
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) if types.contains(&value) => Ok(value),
        _ if types.string => Ok(text.into()),
        _ => Err(format!("`{name}` is {types}, and `{text}` is not")),
    }
}

fn unknown(schema: &Map<String, Value>, name: &str) -> String {
    let names: Vec<_> = schema_types::property_names(schema)
        .take(MAX_NAMED)
        .collect();
    match names.is_empty() {
        true => format!("there is no argument `{name}`; the tool takes none"),
        false => format!(
            "there is no argument `{name}`; the tool takes {}",
            names.join(", ")
        ),
    }
}

/// Returns the arguments of a tool as they are written on the command line: `text=TEXT [top=INTEGER]`.
pub(super) fn usage(schema: &Map<String, Value>) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let names: Vec<_> = schema_types::property_names(schema).collect();
    let mut words: Vec<_> = names
        .iter()
        .take(MAX_NAMED)
        .map(|name| {
            let property = schema_types::property(schema, name).unwrap_or(&Value::Null);
            let value = schema_types::of(schema, property).placeholder();
            match is_required(name) {
                true => format!("{name}={value}"),
                false => format!("[{name}={value}]"),
            }
        })
        .collect();
    if names.len() > MAX_NAMED {
        words.push("…".into());
    }
    words.join(" ")
}
