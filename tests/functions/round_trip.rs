//! Checks of one WIT type: its schema, the values that it accepts and returns, and those that it rejects.

use serde_json::{Value, json};

use super::{echo_component, tool};
use crate::support::server::Host;

/// Types that the checked types refer to.
const DEFINITIONS: &str = "
    record point { x: s32, y: option<s32> }
    record place { name: string, at: point, tags: list<string> }
    enum color { red, dark-green }
    flags access { read, write, run-it }
    variant shape { nothing, never, circle(f64), at(point), maybe(option<u8>) }
    variant only { one(u8) }
";

/// A WIT type and its expected behaviour.
pub(super) struct TypeCase {
    wit: &'static str,
    schema: Value,
    /// Accepted arguments and the values that come back.
    accepted: Vec<(Value, Value)>,
    /// Rejected arguments and part of the error message.
    rejected: Vec<(Value, &'static str)>,
}

/// Creates a case whose accepted values come back unchanged.
pub(super) fn ty(
    wit: &'static str,
    schema: Value,
    unchanged: impl IntoIterator<Item = Value>,
    rejected: impl IntoIterator<Item = (Value, &'static str)>,
) -> TypeCase {
    TypeCase {
        wit,
        schema,
        accepted: unchanged.into_iter().map(|v| (v.clone(), v)).collect(),
        rejected: rejected.into_iter().collect(),
    }
}

impl TypeCase {
    /// Adds accepted values that come back in another form.
    pub(super) fn and(mut self, changed: impl IntoIterator<Item = (Value, Value)>) -> Self {
        self.accepted.extend(changed);
        self
    }
}

/// Checks each type with a guest that returns its argument.
pub(super) async fn check(types: Vec<TypeCase>) {
    let wits: Vec<_> = types.iter().map(|ty| ty.wit).collect();
    let host = Host::serving_component_with(&echo_component(DEFINITIONS, &wits), |config| {
        config.server.lenient_arguments = false;
    })
    .await;
    let client = host.client();
    let list = client.list().await;
    for (index, ty) in types.iter().enumerate() {
        let name = format!("f{index}");
        let wit = ty.wit;
        let input = &tool(list.result(), &name)["inputSchema"];
        assert_eq!(input["properties"]["x"], ty.schema, "{wit}");
        assert_eq!(input["additionalProperties"], false);
        let output = &tool(list.result(), &name)["outputSchema"];
        assert_eq!(output["properties"]["x"], ty.schema, "{wit}");
        for (given, expected) in &ty.accepted {
            let answer = client.call(&name, json!({ "x": given })).await;
            let result = answer.result();
            assert_ne!(result["isError"], true, "{wit}, {given}: {result}");
            let found = &result["structuredContent"]["x"];
            // Compared as text because 1.0 and 1 are different results.
            assert_eq!(found.to_string(), expected.to_string(), "{wit}, {given}");
        }
        for (given, words) in &ty.rejected {
            let answer = client.call(&name, json!({ "x": given })).await;
            let message = answer.failure();
            assert!(
                message.starts_with("`/x") && message.contains(words),
                "{wit}, {given}: {message}"
            );
            assert!(message.len() < 500 && !message.contains('\n'), "{message}");
        }
    }
}

pub(super) fn integer(minimum: i64, maximum: i64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum })
}
