//! `completion/complete`.

use serde_json::{Value, json};

use super::{
    INTERNAL_ERROR, INVALID_PARAMS, complete, message_with_id, one_of_each, prompt_ref,
    template_ref,
};
use crate::support::client::{Answer, Revision};
use crate::support::guest::{Document, Family, Guest, Prompt};
use crate::support::server::Host;

fn completed(answer: &Answer) -> &Value {
    &answer.result()["completion"]
}

#[tokio::test]
async fn arguments_of_prompts_and_templates_are_completed() {
    let host = Host::of(&one_of_each()).await;
    let expected = json!({ "values": ["red", "green"], "total": 7, "hasMore": true });
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for reference in [prompt_ref("greet"), template_ref("test://of/{name}")] {
            let answer = complete(&client, reference, "who", "re").await;
            assert_eq!(completed(&answer), &expected, "{revision:?}");
            let info = &answer.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
            assert_eq!(info == "toolcrib", revision.is_modern(), "{answer:?}");
        }
        for (reference, name) in [
            (prompt_ref("no-such"), "no-such"),
            (prompt_ref("test://of/{name}"), "test://of/{name}"),
            (template_ref("greet"), "greet"),
            // A URI that matches a template, and a resource, are not templates.
            (template_ref("test://of/x"), "test://of/x"),
            (template_ref("test://one"), "test://one"),
        ] {
            let answer = complete(&client, reference, "who", "re").await;
            assert_eq!(answer.code(), INVALID_PARAMS);
            let message = format!(
                "unknown prompt or template `{name}`; prompts/list and resources/templates/list \
                 name those there are"
            );
            assert_eq!(answer.message(), message);
        }
        for params in [
            json!({}),
            json!({ "ref": prompt_ref("greet") }),
            json!({ "argument": { "name": "who", "value": "" } }),
            json!({ "ref": { "type": "ref/tool", "name": "x" }, "argument": { "name": "who", "value": "" } }),
            json!({ "ref": { "type": "ref/prompt" }, "argument": { "name": "who", "value": "" } }),
            json!({ "ref": prompt_ref("greet"), "argument": { "name": "who", "value": 7 } }),
        ] {
            let answer = client.request("completion/complete", params).await;
            assert_eq!(answer.code(), INVALID_PARAMS, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_component_receives_the_request_under_its_own_names() {
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
        let answer = complete(&client, prompt_ref("p_greet"), "who", "A").await;
        assert_eq!(
            (answer.code(), answer.message()),
            (INVALID_PARAMS, "0 greet who=A ")
        );
        let params = json!({
            "ref": template_ref("test://of/{name}"),
            "argument": { "name": "name", "value": "" },
            "context": { "arguments": { "a": "1" } },
        });
        let answer = client.request("completion/complete", params).await;
        assert_eq!(answer.message(), "1 test://of/{name} name= a=1;");
    }
}

#[tokio::test]
async fn at_most_100_values_are_returned() {
    let values: Vec<_> = (0..101).map(|number| format!("v{number}")).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    for (count, total, has_more, expected_has_more) in [
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
            let answer = complete(&host.client_of(revision), prompt_ref("p"), "a", "").await;
            let found = completed(&answer);
            let kept = values[..count.min(100)].to_vec();
            assert_eq!(found["values"], json!(kept), "{count}");
            assert_eq!(found["hasMore"], expected_has_more, "{count}");
            assert_eq!(found["total"], json!(total), "{count}");
        }
    }
}

/// Another component of the host has completions, so the method exists.
#[tokio::test]
async fn components_without_completions_return_no_values() {
    let mut without = Guest::new();
    without
        .prompt(Prompt::new("silent").taking(&["a"]), "unreachable")
        .document(Document::new("test://silent"), "unreachable");
    let host = Host::serving(&[("a", &one_of_each()), ("b", &without)]).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let answer = complete(&client, prompt_ref("silent"), "a", "x").await;
        assert_eq!(completed(&answer), &json!({ "values": [] }));
        let info = &answer.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
        assert_eq!(info == "toolcrib", revision.is_modern(), "{answer:?}");
    }
}

#[tokio::test]
async fn failed_completions_are_internal_errors() {
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
            let answer = complete(&host.client_of(revision), prompt_ref("p"), "a", "").await;
            assert_eq!(answer.code(), code, "{answer:?}");
            match message {
                "" => assert_eq!(answer.message(), ""),
                message => assert_eq!(message_with_id(&answer), message),
            }
        }
    }
}
