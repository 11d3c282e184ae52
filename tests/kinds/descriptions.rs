//! Descriptions of tools from files beside the component, and from the configuration.

use serde_json::{Value, json};

use super::inspect;
use crate::reload::wait_until;
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool, component_from_wit};
use crate::support::server::Host;

const WIT: &str = "
    package acme:weather@1.0.0;

    interface forecasts {
      use acme:places/types@1.0.0.{place};
      /// How warm it is.
      enum feel { /// Wear a coat.
        cold, warm }
      /// Returns the weather of tomorrow.
      tomorrow: func(city: string) -> feel;
    }
    world guest {
      export forecasts;
      /// Returns the version.
      export version: func() -> u32;
    }";

fn weather() -> Vec<u8> {
    component_from_wit(
        "package acme:weather@1.0.0 {
           interface forecasts {
             enum feel { cold, warm }
             tomorrow: func(city: string) -> feel;
           }
         }
         world guest { export acme:weather/forecasts@1.0.0; export version: func() -> u32; }",
        r#"(module
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "acme:weather/forecasts@1.0.0#tomorrow") (param i32 i32) (result i32) (i32.const 1))
          (func (export "version") (result i32) (i32.const 3)))"#,
    )
}

fn tool<'a>(described: &'a Value, name: &str) -> &'a Value {
    let mut tools = described["tools"].as_array().unwrap().iter();
    tools.find(|tool| tool["name"] == name).unwrap()
}

/// The documentation of a WIT file beside the component, though its dependencies are missing.
#[test]
fn a_wit_file_beside_a_component_documents_it() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("weather", &weather());
    let described = inspect(&toolcrib, &[&path]);
    let description = tool(&described, "tomorrow")["description"]
        .as_str()
        .unwrap();
    assert!(
        description.starts_with("Calls the function"),
        "{description}"
    );
    toolcrib.file("weather.wit", WIT);
    let described = inspect(&toolcrib, &[&path]);
    assert_eq!(
        tool(&described, "tomorrow")["description"],
        "Returns the weather of tomorrow."
    );
    assert_eq!(
        tool(&described, "version")["description"],
        "Returns the version."
    );
    let result = tool(&described, "tomorrow")["outputSchema"].to_string();
    assert!(
        result.contains("How warm it is.") && result.contains("Wear a coat."),
        "{result}"
    );
    // A file that cannot be parsed changes nothing.
    toolcrib.file("weather.wit", "interface {");
    let described = inspect(&toolcrib, &[&path]);
    assert_eq!(tool(&described, "tomorrow")["description"], description);
}

#[test]
fn a_toml_file_beside_a_component_describes_its_tools() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("weather", &weather());
    toolcrib.file(
        "weather.toml",
        "[tool.tomorrow]\ntitle = \"Weather\"\ndescription = \"Tells the weather.\"\nread-only = true\n\
         parameters = { city = \"Name of the city\" }\n",
    );
    toolcrib.file(
        "toolcrib.toml",
        "[[component]]\nref = \"weather.wasm\"\n[component.tool.tomorrow]\ntitle = \"Operator\"\ndestructive = false\n",
    );
    let described = inspect(&toolcrib, &[&path]);
    let tomorrow = tool(&described, "tomorrow");
    assert_eq!(tomorrow["title"], "Weather");
    assert_eq!(tomorrow["description"], "Tells the weather.");
    assert_eq!(
        tomorrow["inputSchema"]["properties"]["city"]["description"],
        "Name of the city"
    );
    // The operator's settings take precedence, one by one.
    let described = inspect(&toolcrib, &["weather.wasm", "--config", "toolcrib.toml"]);
    let tomorrow = tool(&described, "tomorrow");
    assert_eq!(tomorrow["title"], "Operator");
    assert_eq!(tomorrow["description"], "Tells the weather.");
    assert_eq!(
        tomorrow["annotations"],
        json!({ "readOnlyHint": true, "destructiveHint": false })
    );
    // A pinned digest does not cover the files beside the component.
    let pinned = format!(
        "[[component]]\nref = \"weather.wasm\"\ndigest = \"{}\"\n",
        described["digest"].as_str().unwrap()
    );
    toolcrib.file("toolcrib.toml", pinned);
    let described = inspect(&toolcrib, &["weather.wasm", "--config", "toolcrib.toml"]);
    assert_eq!(tool(&described, "tomorrow").get("title"), None);
    // A file of another program of that name.
    toolcrib.file("weather.toml", "[package]\nname = \"weather\"\n");
    assert_eq!(
        tool(&inspect(&toolcrib, &[&path]), "tomorrow").get("title"),
        None
    );
}

#[test]
fn a_bad_file_beside_a_component_is_reported() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("weather", &weather());
    for (text, words) in [
        (
            "[tool.tomorrow]\ntitel = \"x\"\n",
            "weather.toml:2: unknown key `tool.tomorrow.titel`",
        ),
        (
            "[tool.tomorrow]\ntitle = 1\n",
            "weather.toml:2: `tool.tomorrow.title` must be a string",
        ),
        ("[tool", "weather.toml:1: "),
        // The author cannot read what the operator keeps secret, nor loosen what the operator decides.
        (
            "[tool.tomorrow]\ntitle = { env = \"HOME\" }\n",
            "`tool.tomorrow.title` must be a string",
        ),
        (
            "[tool.tomorrow]\ndescription = { file = \"/etc/hostname\" }\n",
            "must be a string",
        ),
        (
            "[tool.tomorrow]\nscopes = []\n",
            "unknown key `tool.tomorrow.scopes`",
        ),
        ("[tool.yesterday]\ntitle = \"x\"\n", "`yesterday`"),
        (
            "[tool.tomorrow]\nparameters = { town = \"x\" }\n",
            "names the argument `town`",
        ),
        (
            "[tool.tomorrow]\nargs = [\"x\"]\n",
            "`args`, which is for commands alone",
        ),
    ] {
        toolcrib.file("weather.toml", text);
        let output = toolcrib.run(&["inspect", &path]);
        assert_ne!(output.status, 0, "{text}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{text}: {output:?}");
        assert!(output.stderr.contains(words), "{text}: {output:?}");
    }
    toolcrib.file("weather.toml", "#".repeat((1 << 20) + 1));
    let output = toolcrib.run(&["inspect", &path]);
    assert!(
        output
            .stderr
            .contains("weather.toml` cannot be read: it is larger than 1048576 bytes"),
        "{output:?}"
    );
}

/// Documentation is no reason to refuse a component.
#[test]
fn a_wit_file_that_cannot_be_read_is_named_in_the_log() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("weather", &weather());
    toolcrib.file("weather.toml", "");
    for (wit, is_named) in [
        ("package a:b;\ninterface {\n", true),
        ("package a:b;\n", false),
    ] {
        toolcrib.file("weather.wit", wit);
        let output = toolcrib.run(&["inspect", &path]);
        assert_eq!(output.status, 0, "{output:?}");
        let log = &output.stderr;
        let names = log.contains("weather.wit") && log.contains("correct it");
        assert_eq!(names, is_named, "{log}");
        assert_eq!(log.lines().count(), usize::from(is_named), "{log}");
    }
}

/// Operators describe the parameters of any tool and set its annotations.
#[tokio::test]
async fn operators_describe_parameters_and_set_annotations() {
    let mut guest = Guest::new();
    guest.tool(
        Tool {
            annotations: Some([Some(true), None, None, Some(true)]),
            ..Tool::new("find").taking(json!({
                "type": "object",
                "properties": { "name": { "$ref": "#/$defs/name" }, "any": true },
                "$defs": { "name": { "type": "string" } },
            }))
        },
        "(call $text (local.get $arguments) (local.get $arguments_len))",
    );
    let settings = "[[component]]\nref = \"guest.wasm\"\n[component.tool.find]\nread-only = false\nidempotent = true\n\
                    parameters = { name = \"The name\", any = \"Anything\" }\n";
    let host = Host::configured(&[("guest", &guest)], settings).await;
    let list = host.client().list().await;
    let found = &list.result()["tools"][0];
    assert_eq!(
        found["annotations"],
        json!({ "readOnlyHint": false, "idempotentHint": true, "openWorldHint": true })
    );
    let properties = &found["inputSchema"]["properties"];
    assert_eq!(
        properties["name"],
        json!({ "$ref": "#/$defs/name", "description": "The name" })
    );
    assert_eq!(properties["any"], json!({ "description": "Anything" }));
    let answer = host.client().call("find", json!({ "name": "x" })).await;
    assert_eq!(answer.text(), r#"{"name":"x"}"#);
}

/// A watching server takes a changed description in, and a removed one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_description_is_served() {
    let host = Host::watching(&[("guest", &Guest::saying("hello", "hello"))], |_| {}).await;
    let client = host.client();
    let description = async || {
        let list = client.list().await;
        let tool = &list.result()["tools"][0];
        tool["description"].as_str().unwrap().to_owned()
    };
    let own = description().await;
    let file = host.dir().join("guest.toml");
    for text in ["Greets.", "Says hello."] {
        std::fs::write(&file, format!("[tool.hello]\ndescription = \"{text}\"\n")).unwrap();
        wait_until(text, async || description().await == text).await;
    }
    std::fs::remove_file(&file).unwrap();
    wait_until("the own description", async || description().await == own).await;
}
