//! Prompts, resources and the completion of their arguments, in all revisions.

mod access;
mod command_line;
mod completions;
mod definitions;
mod input_required;
mod limits;
mod lists;
mod prompts;
mod resources;
mod uri_overlaps;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::guest::{Guest, Prompt, Resource, ResourceTemplate};

const INVALID_PARAMS: i64 = -32602;
const METHOD_NOT_FOUND: i64 = -32601;
const INTERNAL_ERROR: i64 = -32603;

/// A guest without tools: it has the resource `test://one`, the template `test://of/{name}`, the prompt `greet`, and
/// completions.
///
/// `test://one` contains `hello`, a resource of the template contains its own URI, and `greet` returns its arguments.
fn one_of_each() -> Guest {
    let mut guest = Guest::new();
    let hello = guest.string("hello");
    guest
        .resource(
            Resource::new("test://one"),
            format!("(call $resource (local.get $uri) (local.get $uri_len) {hello})"),
        )
        .resource_template(
            ResourceTemplate::new("test://of/{name}"),
            "(call $resource (local.get $uri) (local.get $uri_len) (local.get $uri) (local.get $uri_len))",
        )
        .prompt(
            Prompt::new("greet").taking(&["who!", "how"]),
            "(call $say_pairs (local.get $arguments) (local.get $arguments_len))
             (call $message (i32.const 1024) (global.get $said))",
        );
    let completion = guest.completion(&["red", "green"], Some(7), true);
    guest.completions(completion);
    guest
}

/// Sends `prompts/get`.
async fn get(client: &Client, prompt: &str, arguments: Value) -> Answer {
    let params = json!({ "name": prompt, "arguments": arguments });
    client.request("prompts/get", params).await
}

/// Sends `resources/read`.
async fn read(client: &Client, uri: &str) -> Answer {
    client
        .request("resources/read", json!({ "uri": uri }))
        .await
}

/// Sends `completion/complete`.
async fn complete(client: &Client, reference: Value, argument: &str, value: &str) -> Answer {
    let params = json!({ "ref": reference, "argument": { "name": argument, "value": value } });
    client.request("completion/complete", params).await
}

/// A completion reference to a prompt.
fn prompt_ref(name: &str) -> Value {
    json!({ "type": "ref/prompt", "name": name })
}

/// A completion reference to a resource template.
fn template_ref(uri: &str) -> Value {
    json!({ "type": "ref/resource", "uri": uri })
}

/// Returns the text of a prompt's first message, or of a resource's first content item.
fn text(answer: &Answer) -> &str {
    let result = answer.result();
    let message = &result["messages"][0]["content"]["text"];
    let content = &result["contents"][0]["text"];
    let text = message.as_str().or(content.as_str());
    text.unwrap_or_else(|| panic!("no text in {answer:?}"))
}

/// Returns the message of a JSON-RPC error that refers to the log by the call's id, without that reference.
fn message_with_id(answer: &Answer) -> &str {
    let split = answer
        .message()
        .split_once("; the host's log has the cause under call ");
    let (sentence, id) = split.unwrap_or_else(|| panic!("no call id in {answer:?}"));
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    sentence
}
