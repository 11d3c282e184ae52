//! Random types and values: a guest returns its argument unchanged, and the host accepts what the listed schema
//! accepts, apart from rules that JSON Schema cannot express. The seeds are fixed, so every run tests the same.

pub(super) mod generator;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{echo_component, tool};
use crate::support::client::Client;
use crate::support::rng::Rng;
use crate::support::server::Host;
use generator::{TypeGenerator, WORDS};

const COMPONENTS: u64 = 6;
const TYPES_PER_COMPONENT: usize = 12;
const VALUES_PER_TYPE: usize = 6;
const MUTATIONS_PER_TYPE: usize = 14;

#[tokio::test]
async fn random_values_round_trip_and_schemas_match_the_host() {
    let mut counts = Counts::default();
    for seed in 1..=COMPONENTS {
        let mut rng = Rng::new(seed);
        let mut generator = TypeGenerator::default();
        let types: Vec<_> = (0..TYPES_PER_COMPONENT)
            .map(|_| generator.ty(&mut rng, 4))
            .collect();
        let wits: Vec<_> = types.iter().map(|(wit, _)| wit.as_str()).collect();
        let host = Host::serving_component_with(
            &echo_component(&generator.definitions, &wits),
            |config| {
                config.server.lenient_arguments = false;
            },
        )
        .await;
        let list = host.client().list().await;
        for (index, (wit, ty)) in types.iter().enumerate() {
            let context = format!("{wit}\nof\n{}", generator.definitions);
            let function = Function::of(&host, list.result(), &format!("f{index}"), context);
            for _ in 0..VALUES_PER_TYPE {
                let (given, expected) = ty.value(&mut rng);
                for given in [&given, &expected] {
                    function
                        .assert_returns(arguments(given), "/x", &expected)
                        .await;
                }
            }
            for _ in 0..MUTATIONS_PER_TYPE {
                let mut arguments = arguments(&ty.value(&mut rng).0);
                for _ in 0..=rng.below(2) {
                    mutate(&mut rng, &mut arguments);
                }
                // MCP requires an object.
                if arguments.is_object() {
                    function
                        .assert_schema_matches(&arguments, &mut counts)
                        .await;
                }
            }
        }
    }
    // Guards against mutations that test nothing.
    assert!(counts.rejected > 300 && counts.accepted > 100, "{counts:?}");
}

/// How the host and the schema treated mutated arguments.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rejected: u32,
    pub(super) accepted: u32,
    /// Rejected by a rule that JSON Schema cannot express.
    beyond_schema: u32,
}

/// A tool made of a function, with its schemas.
pub(super) struct Function {
    name: String,
    /// The type, for assertion messages.
    context: String,
    client: Client,
    input_schema: Validator,
    output_schema: Validator,
}

impl Function {
    /// Finds a tool in a `tools/list` result.
    pub(super) fn of(host: &Host, list: &Value, name: &str, context: String) -> Self {
        let tool = tool(list, name);
        Self {
            name: name.to_owned(),
            context,
            client: host.client(),
            input_schema: compile(&tool["inputSchema"]),
            output_schema: compile(&tool["outputSchema"]),
        }
    }

    /// Checks that a call returns `expected` at this place of the structured result.
    pub(super) async fn assert_returns(&self, arguments: Value, at: &str, expected: &Value) {
        let context = format!("{}\n{arguments}", self.context);
        assert!(self.input_schema.is_valid(&arguments), "{context}");
        let answer = self.client.call(&self.name, arguments).await;
        let result = answer.result();
        assert_ne!(result["isError"], true, "{context}\n{result}");
        let found = &result["structuredContent"];
        // Compared as text because 1.0 and 1 are different results, and so are 0.0 and -0.0.
        let value = found.pointer(at).map(Value::to_string);
        assert_eq!(value, Some(expected.to_string()), "{context}\n{found}");
        assert!(self.output_schema.is_valid(found), "{context}\n{found}");
    }

    /// Checks that the host accepts the arguments exactly if the schema does.
    pub(super) async fn assert_schema_matches(&self, arguments: &Value, counts: &mut Counts) {
        let context = format!("{}\n{arguments}", self.context);
        let answer = self.client.call(&self.name, arguments.clone()).await;
        let result = answer.result();
        let is_valid = self.input_schema.is_valid(arguments);
        if result["isError"] == true {
            let message = answer.failure();
            assert!(
                message.starts_with("the arguments: ") || message.starts_with("`/"),
                "{context}\n{message}"
            );
            let beyond_schema = [
                "\" is not an integer from",
                "it is not valid base64",
                "is too large for a 32-bit float",
            ];
            let is_beyond_schema = beyond_schema.iter().any(|words| message.contains(words));
            assert!(!is_valid || is_beyond_schema, "{context}\n{message}");
            counts.beyond_schema += u32::from(is_valid);
            counts.rejected += u32::from(!is_valid);
        } else {
            assert!(is_valid, "{context}\n{result}");
            let found = &result["structuredContent"];
            assert!(self.output_schema.is_valid(found), "{context}\n{found}");
            counts.accepted += 1;
        }
    }
}

fn compile(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// Returns the arguments of a call. A parameter that is `null` is omitted.
pub(super) fn arguments(x: &Value) -> Value {
    match x {
        Value::Null => json!({}),
        x => json!({ "x": x }),
    }
}

/// Changes one random part of a value.
pub(super) fn mutate(rng: &mut Rng, value: &mut Value) {
    let len = match &*value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if len > 0 && rng.below(4) > 0 {
        let at = rng.below(len);
        let item = match value {
            Value::Array(items) => items.get_mut(at),
            Value::Object(members) => members.values_mut().nth(at),
            _ => None,
        };
        return mutate(rng, item.unwrap());
    }
    let replacement = json!([
        null, true, 0, -1, 1.5, 7.0, -0.0, 128, 256, 65_536, 4_294_967_296_u64, 1e300, 1e39, "", "a", "\u{1F980}", "ab",
        "NaN", "-0", "5", "-5", "00000000000000000000", "18446744073709551616", "9223372036854775808", 9_007_199_254_740_992_u64,
        [], [null], ["a", "a"], {}, { "ok": null }, { "some": null }, { "some": 1 }, { "error": "a" }, { "a": 1, "x": 2 }, "ok", "AA==", "AB==",
    ]);
    let replacement = rng.choose(replacement.as_array().unwrap()).clone();
    match value {
        Value::Array(items) if rng.bool() => match rng.below(3) {
            0 => items.push(replacement),
            1 => drop(items.pop()),
            _ => items.extend(items.first().cloned()),
        },
        Value::Object(members) if rng.bool() => {
            let key = members.keys().next().cloned();
            match key {
                Some(key) if rng.bool() => drop(members.shift_remove(&key)),
                _ => drop(members.insert((*rng.choose(&WORDS)).to_owned(), replacement)),
            }
        }
        value => *value = replacement,
    }
}
