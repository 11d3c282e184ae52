//! Types and values made by chance: a guest gives back what it was given, and the announced schema and the host agree on what
//! can be given. Every run has the same.

mod made;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{echoing, tool};
use crate::support::client::Client;
use crate::support::server::Host;
use made::{Chance, Maker, WORDS};

/// Components, types of each, and for each type values and values with a fault.
const COMPONENTS: u64 = 6;
const TYPES: usize = 12;
const VALUES: usize = 6;
const FAULTS: usize = 14;

#[tokio::test]
async fn types_and_values() {
    let mut said = Said::default();
    for seed in 1..=COMPONENTS {
        let mut chance = Chance::new(seed);
        let mut maker = Maker::default();
        let types: Vec<_> = (0..TYPES).map(|_| maker.ty(&mut chance, 4)).collect();
        let wits: Vec<_> = types.iter().map(|(wit, _)| wit.as_str()).collect();
        let host = Host::of_component(&echoing(&maker.definitions, &wits)).await;
        let list = host.client().list().await;
        for (index, (wit, ty)) in types.iter().enumerate() {
            let name = format!("f{index}");
            let tool = tool(list.result(), &name);
            let function = Function {
                what: format!("{wit}\nof\n{}", maker.definitions),
                client: host.client(),
                input: compiled(&tool["inputSchema"]),
                output: compiled(&tool["outputSchema"]),
                name,
            };
            for _ in 0..VALUES {
                let (given, wanted) = ty.value(&mut chance);
                function.gives_back(&given, &wanted).await;
                function.gives_back(&wanted, &wanted).await;
            }
            for _ in 0..FAULTS {
                let mut arguments = arguments(&ty.value(&mut chance).0);
                for _ in 0..=chance.below(2) {
                    spoil(&mut chance, &mut arguments);
                }
                // Anything else is no call.
                if arguments.is_object() {
                    function.agrees(&arguments, &mut said).await;
                }
            }
        }
    }
    // The faults are some.
    assert!(said.refused > 300 && said.accepted > 100, "{said:?}");
}

/// How many spoiled values were what.
#[derive(Debug, Default)]
struct Said {
    refused: u32,
    accepted: u32,
    /// Refused by a rule that no schema can say.
    beyond: u32,
}

struct Function {
    name: String,
    what: String,
    client: Client,
    input: Validator,
    output: Validator,
}

impl Function {
    async fn gives_back(&self, given: &Value, wanted: &Value) {
        let arguments = arguments(given);
        let what = &self.what;
        assert!(self.input.is_valid(&arguments), "{what}\n{given}");
        let answer = self.client.call(&self.name, arguments).await;
        let result = answer.result();
        assert_ne!(result["isError"], true, "{what}\n{given}\n{result}");
        let found = &result["structuredContent"];
        // As text, for 1.0 and 1 are different results, and so are 0.0 and -0.0.
        assert_eq!(found["x"].to_string(), wanted.to_string(), "{what}");
        assert!(self.output.is_valid(found), "{what}\n{found}");
    }

    /// Whether the host takes exactly what the schema allows.
    async fn agrees(&self, arguments: &Value, said: &mut Said) {
        let what = format!("{}\n{arguments}", self.what);
        let answer = self.client.call(&self.name, arguments.clone()).await;
        let result = answer.result();
        let is_valid = self.input.is_valid(arguments);
        if result["isError"] == true {
            let sentence = answer.failure();
            assert!(
                sentence.starts_with("the arguments: ") || sentence.starts_with("`/"),
                "{what}\n{sentence}"
            );
            let beyond = [
                "\" is not an integer from",
                "it is not valid base64",
                "is too large for a 32-bit float",
            ];
            let is_beyond = beyond.iter().any(|words| sentence.contains(words));
            assert!(!is_valid || is_beyond, "{what}\n{sentence}");
            said.beyond += u32::from(is_valid);
            said.refused += u32::from(!is_valid);
        } else {
            assert!(is_valid, "{what}\n{result}");
            let found = &result["structuredContent"];
            assert!(self.output.is_valid(found), "{what}\n{found}");
            said.accepted += 1;
        }
    }
}

fn compiled(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// A parameter that is `null` is left out.
fn arguments(x: &Value) -> Value {
    match x {
        Value::Null => json!({}),
        x => json!({ "x": x }),
    }
}

/// Changes something in a value.
fn spoil(chance: &mut Chance, value: &mut Value) {
    let inner = match &*value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if inner > 0 && chance.below(4) > 0 {
        let at = chance.below(inner);
        let inner = match value {
            Value::Array(items) => items.get_mut(at),
            Value::Object(members) => members.values_mut().nth(at),
            _ => None,
        };
        return spoil(chance, inner.unwrap());
    }
    let strange = json!([
        null, true, 0, -1, 1.5, 7.0, -0.0, 128, 256, 65_536, 4_294_967_296_u64, 1e300, 1e39, "", "a", "\u{1F980}", "ab",
        "NaN", "-0", "5", "-5", "00000000000000000000", "18446744073709551616", "9223372036854775808", 9_007_199_254_740_992_u64,
        [], [null], ["a", "a"], {}, { "ok": null }, { "some": null }, { "some": 1 }, { "error": "a" }, { "a": 1, "x": 2 }, "ok", "AA==", "AB==",
    ]);
    let strange = chance.of(strange.as_array().unwrap()).clone();
    match value {
        Value::Array(items) if chance.is() => match chance.below(3) {
            0 => items.push(strange),
            1 => drop(items.pop()),
            _ => items.extend(items.first().cloned()),
        },
        Value::Object(members) if chance.is() => {
            let key = members.keys().next().cloned();
            match key {
                Some(key) if chance.is() => drop(members.shift_remove(&key)),
                _ => drop(members.insert((*chance.of(&WORDS)).to_owned(), strange)),
            }
        }
        value => *value = strange,
    }
}
