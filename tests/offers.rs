//! What components offer beside tools: prompts, documents, and the completion of their arguments, in all revisions.

mod access;
mod asking;
mod command_line;
mod completions;
mod definitions;
mod documents;
mod limits;
mod lists;
mod prompts;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::guest::{Document, Family, Guest, Prompt};

const INVALID_PARAMS: i64 = -32602;
const METHOD_NOT_FOUND: i64 = -32601;
const INTERNAL_ERROR: i64 = -32603;

/// A guest with one thing of each kind, and no tool: the document `test://one`, the family `test://of/{name}`, and the prompt
/// `greet`, which say what they were asked for; completions say the value twice.
fn one_of_each() -> Guest {
    let mut guest = Guest::new();
    let hello = guest.string("hello");
    guest
        .document(
            Document::new("test://one"),
            format!("(call $document (local.get $uri) (local.get $uri_len) {hello})"),
        )
        .family(
            Family::new("test://of/{name}"),
            "(call $document (local.get $uri) (local.get $uri_len) (local.get $uri) (local.get $uri_len))",
        )
        .prompt(
            Prompt::new("greet").taking(&["who!", "how"]),
            "(call $say_pairs (local.get $arguments) (local.get $arguments_len))
             (call $message (i32.const 1024) (global.get $said))",
        );
    let completion = guest.completion(&["red", "green"], Some(7), true);
    guest.completing(completion);
    guest
}

/// `prompts/get`
async fn get(client: &Client, prompt: &str, arguments: Value) -> Answer {
    let params = json!({ "name": prompt, "arguments": arguments });
    client.request("prompts/get", params).await
}

/// `resources/read`
async fn read(client: &Client, uri: &str) -> Answer {
    client
        .request("resources/read", json!({ "uri": uri }))
        .await
}

/// `completion/complete`
async fn complete(client: &Client, reference: Value, argument: &str, value: &str) -> Answer {
    let params = json!({ "ref": reference, "argument": { "name": argument, "value": value } });
    client.request("completion/complete", params).await
}

fn of_prompt(name: &str) -> Value {
    json!({ "type": "ref/prompt", "name": name })
}

fn of_template(uri: &str) -> Value {
    json!({ "type": "ref/resource", "uri": uri })
}

/// The text of the only message of a prompt, or of the only part of a document.
fn text(answer: &Answer) -> &str {
    let result = answer.result();
    let message = &result["messages"][0]["content"]["text"];
    let part = &result["contents"][0]["text"];
    let text = message.as_str().or(part.as_str());
    text.unwrap_or_else(|| panic!("no text in {answer:?}"))
}

/// The JSON-RPC error's message, of a sentence that leaves the cause to the log; without the call's id.
fn message_with_id(answer: &Answer) -> &str {
    let split = answer
        .message()
        .split_once("; the host's log has the cause under call ");
    let (sentence, id) = split.unwrap_or_else(|| panic!("no call is named in {answer:?}"));
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    sentence
}
