//! The older revisions, in a session: the client answers while the call waits.

use futures::StreamExt;
use serde_json::{Value, json};

use super::asking;
use crate::support::client::{Answer, Client, Revision};
use crate::support::server::Host;

/// Opens a session that declares this: its id.
async fn open(client: &Client, capabilities: Value) -> String {
    let params = json!({
        "protocolVersion": client.revision.name(),
        "capabilities": capabilities,
        "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = client.request("initialize", params).await;
    let id = answer.header("mcp-session-id").to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    Answer::to(client.post(&initialized).header("mcp-session-id", &id)).await;
    id
}

/// Calls a tool in the session, answers every question with `answer`, and returns the questions and the result.
async fn call(
    client: &Client,
    session: &str,
    tool: &str,
    answer: impl Fn(&Value) -> Value,
) -> (Vec<Value>, Value) {
    let message = client.message("tools/call", json!({ "name": tool, "arguments": {} }));
    let request = client.post(&message).header("mcp-session-id", session);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    let (mut text, mut asked) = (String::new(), Vec::new());
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some((line, rest)) = text.split_once('\n') {
            let message = line
                .strip_prefix("data:")
                .filter(|data| !data.trim().is_empty());
            let message: Option<Value> = message.map(|data| serde_json::from_str(data).unwrap());
            text = rest.to_owned();
            let Some(message) = message else { continue };
            if message.get("result").is_some() || message.get("error").is_some() {
                return (asked, message["result"].clone());
            }
            if message.get("id").is_some() {
                let mut reply = answer(&message);
                reply["jsonrpc"] = "2.0".into();
                reply["id"] = message["id"].clone();
                let reply = client.post(&reply).header("mcp-session-id", session);
                assert_eq!(Answer::to(reply).await.status, 202);
                asked.push(message);
            }
        }
    }
    panic!("the stream ended without a result: {asked:?}");
}

fn accept(question: &Value) -> Value {
    match question["method"].as_str().unwrap() {
        "elicitation/create" => {
            json!({ "result": { "action": "accept", "content": { "name": "Ada" } } })
        }
        "sampling/createMessage" => json!({ "result": {
            "role": "assistant", "model": "m", "content": { "type": "text", "text": "hi" },
        } }),
        "roots/list" => json!({ "result": { "roots": [{ "uri": "file:///home" }] } }),
        method => panic!("asked {method}"),
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

async fn host() -> Host {
    Host::start(&[("guest", &asking())], |config| {
        config.server.sessions = true
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_and_answers() {
    let host = host().await;
    for revision in [Revision::June2025, Revision::November2025] {
        let client = host.client_of(revision);
        let everything = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        let session = open(&client, everything).await;
        let (asked, result) = call(&client, &session, "asks", accept).await;
        assert_eq!(asked[0]["method"], "elicitation/create");
        assert_eq!(asked[0]["params"]["message"], "Your name?");
        assert_ne!(result["isError"], true, "{result}");
        assert!(text(&result).contains("Ada"), "{result}");
        let (_, result) = call(&client, &session, "remembers", accept).await;
        assert_eq!(text(&result), "the guest's own");
        for (tool, methods) in [
            ("two", ["elicitation/create", "sampling/createMessage"]),
            ("steps", ["elicitation/create", "roots/list"]),
        ] {
            let (asked, result) = call(&client, &session, tool, accept).await;
            let mut found: Vec<_> = asked
                .iter()
                .map(|q| q["method"].as_str().unwrap())
                .collect();
            found.sort_unstable();
            assert_eq!(found, methods, "{result}");
            assert!(text(&result).contains("Ada"), "{result}");
        }
        let (_, result) = call(&client, &session, "can", accept).await;
        assert_eq!(text(&result), "1110");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer() {
    let host = host().await;
    let client = host.client_of(Revision::November2025);
    let session = open(&client, json!({ "elicitation": {} })).await;
    let refuse = |_: &Value| json!({ "error": { "code": -1, "message": "no" } });
    let nonsense = |_: &Value| json!({ "result": { "action": "perhaps" } });
    type Reaction<'a> = &'a dyn Fn(&Value) -> Value;
    let cases: [(&str, Reaction<'_>, &str); 4] = [
        (
            "asks",
            &refuse,
            "the client did not answer the tool's question",
        ),
        ("asks", &nonsense, "the client"),
        // What the client did not declare is not asked.
        ("two", &accept, "the tool asks a question back"),
        ("never_content", &accept, "in more than 16 rounds"),
    ];
    for (tool, answer, says) in cases {
        let (_, result) = call(&client, &session, tool, answer).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert!(text(&result).contains(says), "{tool}: {result}");
    }
    let (asked, _) = call(&client, &session, "two", accept).await;
    assert!(asked.is_empty(), "{asked:?}");
}

/// A call that waits for an answer holds no place: neither its component's only one, nor one of the server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_while_waiting() {
    let host = Host::start(&[("guest", &asking())], |config| {
        config.server.sessions = true;
        config.limits.concurrency = 1;
    })
    .await;
    let client = host.client_of(Revision::November2025);
    let session = open(&client, json!({ "elicitation": {} })).await;
    let (_, result) = call(&client, &session, "asks", accept).await;
    assert!(text(&result).contains("Ada"), "{result}");
    // Nobody answers: the first ones wait, and one more is refused.
    let never = async |index: usize| {
        let mut message = client.message("tools/call", json!({ "name": "asks", "arguments": {} }));
        message["id"] = (100 + index).into();
        let request = client.post(&message).header("mcp-session-id", &session);
        let mut response = request.send().await.unwrap();
        let mut heard = String::new();
        loop {
            let chunk = response.chunk().await.unwrap().unwrap();
            heard.push_str(std::str::from_utf8(&chunk).unwrap());
            if heard.contains("elicitation/create") || heard.contains("isError") {
                return (response, heard);
            }
        }
    };
    let mut waiting = Vec::new();
    for index in 0..16 {
        let (response, heard) = never(index).await;
        assert!(heard.contains("elicitation/create"), "{index}: {heard}");
        waiting.push(response);
    }
    let (_, heard) = never(16).await;
    assert!(heard.contains("too many calls wait for answers"), "{heard}");
    let (_, result) = call(&client, &session, "can", accept).await;
    assert_eq!(text(&result), "1000");
}
