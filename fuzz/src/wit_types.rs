//! WIT types and arguments, both generated from bytes: the schema of the types, and the conversion to their values and
//! back, must agree.

use serde_json::{Map, Value, json};
use toolcrib::fuzzing::{self, GeneratedFunction};

/// Maximum nesting of generated arguments. Types nest less deep.
const MAX_DEPTH: usize = 24;

/// Rules that JSON Schema cannot express, by their words in the error message.
const BEYOND_SCHEMA: [&str; 3] = [
    "\" is not an integer from",
    "it is not valid base64",
    "is too large for a 32-bit float",
];

/// Generates a function and arguments for it, and converts the arguments to WIT values and back.
pub fn run(input: &[u8]) {
    let mut bytes = input.iter().copied();
    let function = GeneratedFunction::new(&mut bytes);
    let schema = function.schema();
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let arguments = Arguments { bytes: &mut bytes }.value(&schema, MAX_DEPTH);
    if !arguments.is_object() {
        return;
    }
    let is_valid = validator.is_valid(&arguments);
    let context = || format!("{schema}\n{arguments}");
    match fuzzing::round_trip(&function, &arguments) {
        Ok(returned) => {
            assert!(is_valid, "accepted against the schema: {}", context());
            assert!(validator.is_valid(&returned), "{}\n{returned}", context());
            let again = fuzzing::round_trip(&function, &returned);
            // Compared as text because 0.0 and -0.0 are different results.
            let again = again.map(|value| value.to_string());
            assert_eq!(again, Ok(returned.to_string()), "{}", context());
        }
        Err(message) => {
            super::assert_is_sentence(&message);
            let is_beyond_schema = BEYOND_SCHEMA.iter().any(|words| message.contains(words));
            assert!(!is_valid || is_beyond_schema, "{message}: {}", context());
        }
    }
}

/// Turns bytes into values that mostly fit a schema.
struct Arguments<'b, B> {
    bytes: &'b mut B,
}

impl<B: Iterator<Item = u8>> Arguments<'_, B> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        // One value in 32 need not fit.
        if depth == 0 || self.byte() >= 248 {
            return self.any();
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let choice = self.below(choices.len());
            return self.value(&choices[choice], depth - 1);
        }
        if let Some(names) = schema["enum"].as_array() {
            return names[self.below(names.len())].clone();
        }
        match schema["type"].as_str() {
            Some("boolean") => (self.byte().is_multiple_of(2)).into(),
            Some("integer") => self.integer(schema),
            Some("number") => self.float(),
            Some("string") => self.text(schema),
            Some("array") => self.items(schema, depth),
            Some("object") => self.members(schema, depth),
            _ => Value::Null,
        }
    }

    fn items(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(parts) = schema["prefixItems"].as_array() {
            let items = parts.iter().map(|part| self.value(part, depth - 1));
            return items.collect();
        }
        let count = self.below(4);
        let items = (0..count).map(|_| self.value(&schema["items"], depth - 1));
        items.collect()
    }

    fn members(&mut self, schema: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            // One member in 16 is missing, whether it is required or not.
            if self.byte() < 240 {
                members.insert(name.clone(), self.value(schema, depth - 1));
            }
        }
        Value::Object(members)
    }

    fn integer(&mut self, schema: &Value) -> Value {
        match self.byte() % 4 {
            0 => schema["minimum"].clone(),
            1 => schema["maximum"].clone(),
            2 => i64::from(self.byte()).into(),
            _ => f64::from(self.byte()).into(),
        }
    }

    fn float(&mut self) -> Value {
        let bits = u64::from_be_bytes(std::array::from_fn(|_| self.byte()));
        // A number that JSON does not have becomes `null`, which does not fit.
        f64::from_bits(bits).into()
    }

    fn text(&mut self, schema: &Value) -> Value {
        const TEXTS: [&str; 8] = [
            "",
            "a",
            "\u{1F980}",
            "-1",
            "18446744073709551616",
            "AA==",
            "AB",
            "\0",
        ];
        let text = TEXTS[self.below(TEXTS.len())];
        match schema["pattern"].as_str() {
            Some(_) if self.byte() < 200 => format!("{}{}", self.byte(), self.byte()).into(),
            _ => text.into(),
        }
    }

    /// Returns a value of any type.
    fn any(&mut self) -> Value {
        let values = json!([
            null, true, 0, -1, 1.5, -0.0, 256, 1e39, 9_007_199_254_740_992_u64, "a", "NaN", "5", [], [null],
            {}, { "ok": null }, { "some": null }, { "error": "a" }, { "a": 1 },
        ]);
        let count = values.as_array().map_or(1, Vec::len);
        values[self.below(count)].clone()
    }
}
