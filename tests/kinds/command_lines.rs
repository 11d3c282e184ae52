//! The operator's command line of a command: fixed words, and parameters that callers give.

use serde_json::{Value, json};

use super::commands::{PRINT_ARGUMENTS, command};
use crate::support::client::Client;
use crate::support::command::Toolcrib;
use crate::support::server::Host;

async fn start(settings: &str) -> Host {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("guest.wasm"), command(PRINT_ARGUMENTS)).unwrap();
    let text = format!("[[component]]\nref = \"guest.wasm\"\n[component.tool.guest]\n{settings}");
    Host::configured_in(dir, &text).await
}

async fn output(client: &Client, arguments: Value) -> String {
    let answer = client.call("guest", arguments).await;
    let result = answer.result();
    assert_ne!(result["isError"], true, "{result}");
    let stdout = result["structuredContent"]["stdout"].as_str().unwrap();
    stdout.strip_prefix("guest\n").unwrap().to_owned()
}

#[tokio::test]
async fn parameters_stand_in_the_words_of_the_command() {
    let host = start(
        "description = \"Finds lines\"\nargs = [\"--color=never\", \"-e\", \"{pattern}\", \"{{}}\", \"--file={file}\"]\n\
         parameters = { pattern = \"A pattern\", stdin = \"The text\" }\ndefaults = { file = \"-\" }\n",
    )
    .await;
    let client = host.client();
    let list = client.list().await;
    let schema = &list.result()["tools"][0]["inputSchema"];
    assert_eq!(
        schema["properties"],
        json!({
            "file": { "type": "string", "default": "-" },
            "pattern": { "type": "string", "description": "A pattern" },
            "stdin": { "type": "string", "description": "The text" },
        })
    );
    assert_eq!(schema["required"], json!(["pattern"]));
    let words = output(&client, json!({ "pattern": "{file}", "stdin": "text" })).await;
    assert_eq!(words, "--color=never\n-e\n{file}\n{}}\n--file=-\ntext");
    for arguments in [
        json!({}),
        json!({ "pattern": 1 }),
        json!({ "pattern": "a", "args": [] }),
    ] {
        let answer = client.call("guest", arguments).await;
        assert_eq!(answer.result()["isError"], true);
    }
}

#[tokio::test]
async fn a_schema_gives_parameters_other_types() {
    let host = start(
        "args = [\"-n={count}\", \"--deep={deep}\", \"{files}\", \"{first} {second}\", \"--\"]\nhide = [\"stdin\"]\n\
         defaults = { stdin = \"fixed\" }\n\
         [component.tool.guest.schema]\ntype = \"object\"\nadditionalProperties = false\n\
         [component.tool.guest.schema.properties]\ncount = { type = \"integer\" }\ndeep = { type = \"boolean\" }\n\
         files = { type = \"array\", items = { type = \"string\" } }\nfirst = {}\nsecond = {}\nstdin = { type = \"string\" }\n",
    )
    .await;
    let client = host.client();
    for (arguments, expected) in [
        (json!({}), "--\nfixed"),
        (
            json!({ "count": 3, "deep": false }),
            "-n=3\n--deep=false\n--\nfixed",
        ),
        (json!({ "files": ["a b", "-x"] }), "a b\n-x\n--\nfixed"),
        (json!({ "files": [], "first": "a" }), "--\nfixed"),
        (json!({ "first": "a", "second": [1] }), "a [1]\n--\nfixed"),
    ] {
        assert_eq!(
            output(&client, arguments.clone()).await,
            expected,
            "{arguments}"
        );
    }
}

#[test]
fn command_lines_that_do_not_fit_are_refused() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &command("(i32.const 0)"));
    for (settings, words) in [
        (
            "args = [\"{a b}\"]",
            "has a `{` without the name of a parameter",
        ),
        ("args = [\"{a\"]", "write `{{` for a brace"),
        ("args = \"x\"", "must be a list of strings"),
        (
            "schema = { type = \"object\" }",
            "has `schema` without `args`",
        ),
        (
            "args = [\"{a}\"]\nschema = { type = \"object\", properties = { b = {} } }",
            "`{a}` in `args`, which `schema` does not describe",
        ),
        (
            "args = [\"{a}\"]\nschema = { type = \"object\", properties = { a = {}, b = {} } }",
            "`b` in `schema`, which `args` does not use",
        ),
        (
            "args = [\"{a}\"]\nschema = { type = \"object\", properties = { a = 1 } }",
            "makes a schema that",
        ),
        (
            "args = [\"{a}\"]\ndefaults = { b = 1 }",
            "`b`, which the tool does not have",
        ),
        (
            "args = [\"{a}\"]\ndefaults = { a = 1 }",
            "has a default that the tool does not take",
        ),
        (
            "parameters = { x = \"y\" }",
            "`x`, which the tool does not have",
        ),
        (
            "parameters = { args = 1 }",
            "must describe `args` with a string",
        ),
        ("read-only = \"yes\"", "must be true or false"),
    ] {
        let text =
            format!("[[component]]\nref = \"guest.wasm\"\n[component.tool.guest]\n{settings}\n");
        toolcrib.file("toolcrib.toml", text);
        let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
        assert_eq!(output.status, 2, "{settings}: {output:?}");
        assert!(output.stderr.contains(words), "{settings}: {output:?}");
    }
}
