//! `completion/complete`

use serde_json::{Value, json};

use super::{
    INTERNAL_ERROR, INVALID_PARAMS, complete, message_with_id, of_prompt, of_template, one_of_each,
};
use crate::support::client::{Answer, Revision};
use crate::support::guest::{Document, Family, Guest, Prompt};
use crate::support::server::Host;

fn completed(answer: &Answer) -> &Value {
    &answer.result()["completion"]
}

#[tokio::test]
async fn of_prompts_and_templates() {
    let host = Host::of(&one_of_each()).await;
    let wanted = json!({ "values": ["red", "green"], "total": 7, "hasMore": true });
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for reference in [of_prompt("greet"), of_template("test://of/{name}")] {
            let answer = complete(&client, reference, "who", "re").await;
            assert_eq!(completed(&answer), &wanted, "{revision:?}");
            let info = &answer.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
            assert_eq!(info == "toolcrib", revision.is_modern(), "{answer:?}");
        }
        for (reference, name) in [
            (of_prompt("no-such"), "no-such"),
            (of_prompt("test://of/{name}"), "test://of/{name}"),
            (of_template("greet"), "greet"),
            // No template: what it is read by, and a document with a name of its own.
            (of_template("test://of/x"), "test://of/x"),
            (of_template("test://one"), "test://one"),
        ] {
            let answer = complete(&client, reference, "who", "re").await;
            assert_eq!(answer.code(), INVALID_PARAMS);
            let sentence = format!(
                "unknown prompt or template `{name}`; prompts/list and resources/templates/list \
                 name those there are"
            );
            assert_eq!(answer.message(), sentence);
        }
        for params in [
            json!({}),
            json!({ "ref": of_prompt("greet") }),
            json!({ "argument": { "name": "who", "value": "" } }),
            json!({ "ref": { "type": "ref/tool", "name": "x" }, "argument": { "name": "who", "value": "" } }),
            json!({ "ref": { "type": "ref/prompt" }, "argument": { "name": "who", "value": "" } }),
            json!({ "ref": of_prompt("greet"), "argument": { "name": "who", "value": 7 } }),
        ] {
            let answer = client.request("completion/complete", params).await;
            assert_eq!(answer.code(), INVALID_PARAMS, "{answer:?}");
        }
    }
}

/// The component hears what is completed, under its own names.
#[tokio::test]
async fn what_the_component_hears() {
    let mut guest = Guest::new();
    guest
        .prompt(Prompt::new("greet").taking(&["who"]), "unreachable")
        .family(Family::new("test://of/{name}"), "unreachable")
        .completing(
            "(call $say_number (i64.extend_i32_u (local.get $kind)))
             (call $say_byte (i32.const 32))
             (call $say (local.get $subject) (local.get $subject_len))
             (call $say_byte (i32.const 32))
             (call $say (local.get $argument) (local.get $argument_len))
             (call $say_byte (i32.const 61))
             (call $say (local.get $value) (local.get $value_len))
             (call $say_byte (i32.const 32))
             (call $say_pairs (local.get $others) (local.get $others_len))
             (call $invalid (i32.const 1024) (global.get $said))",
        );
    let text = "[[component]]\nref = \"guest.wasm\"\nprefix = \"p_\"\n";
    let host = Host::configured(&[("guest", &guest)], text).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let answer = complete(&client, of_prompt("p_greet"), "who", "A").await;
        assert_eq!(
            (answer.code(), answer.message()),
            (INVALID_PARAMS, "0 greet who=A ")
        );
        let params = json!({
            "ref": of_template("test://of/{name}"),
            "argument": { "name": "name", "value": "" },
            "context": { "arguments": { "a": "1" } },
        });
        let answer = client.request("completion/complete", params).await;
        assert_eq!(answer.message(), "1 test://of/{name} name= a=1;");
    }
}

/// A client gets 100 values at most, and hears that there are more.
#[tokio::test]
async fn many_values() {
    let values: Vec<_> = (0..101).map(|number| format!("v{number}")).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    for (count, total, has_more, more_wanted) in [
        (100, Some(100), false, false),
        (100, Some(500), true, true),
        (101, None, false, true),
        (0, Some(0), false, false),
    ] {
        let mut guest = Guest::new();
        guest.prompt(Prompt::new("p").taking(&["a"]), "unreachable");
        let completion = guest.completion(&values[..count], total, has_more);
        guest.completing(completion);
        let host = Host::of(&guest).await;
        for revision in Revision::ALL {
            let answer = complete(&host.client_of(revision), of_prompt("p"), "a", "").await;
            let found = completed(&answer);
            let kept = values[..count.min(100)].to_vec();
            assert_eq!(found["values"], json!(kept), "{count}");
            assert_eq!(found["hasMore"], more_wanted, "{count}");
            assert_eq!(found["total"], json!(total), "{count}");
        }
    }
}

/// A component that completes nothing answers that there is nothing, beside one that does.
#[tokio::test]
async fn without_completions() {
    let mut silent = Guest::new();
    silent
        .prompt(Prompt::new("silent").taking(&["a"]), "unreachable")
        .document(Document::new("test://silent"), "unreachable");
    let host = Host::serving(&[("a", &one_of_each()), ("b", &silent)]).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let answer = complete(&client, of_prompt("silent"), "a", "x").await;
        assert_eq!(completed(&answer), &json!({ "values": [] }));
        let info = &answer.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
        assert_eq!(info == "toolcrib", revision.is_modern(), "{answer:?}");
    }
}

#[tokio::test]
async fn failures() {
    for (body, code, message) in [
        ("unreachable", INTERNAL_ERROR, "the completion crashed"),
        (
            "(call $failed (i32.const 1024) (i32.const 0))",
            INTERNAL_ERROR,
            "",
        ),
    ] {
        let mut guest = Guest::new();
        guest.prompt(Prompt::new("p").taking(&["a"]), "unreachable");
        guest.completing(body);
        let host = Host::of(&guest).await;
        for revision in Revision::ALL {
            let answer = complete(&host.client_of(revision), of_prompt("p"), "a", "").await;
            assert_eq!(answer.code(), code, "{answer:?}");
            match message {
                "" => assert_eq!(answer.message(), ""),
                message => assert_eq!(message_with_id(&answer), message),
            }
        }
    }
}
