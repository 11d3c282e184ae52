//! Overrides of tools in the configuration: selection, names, texts, and arguments that are hidden or have defaults.

mod arguments;

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Icon, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// The input schema of `forecast`.
fn forecast_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "minLength": 1 },
            "days": { "type": "integer", "minimum": 1, "maximum": 7, "default": 1 },
            "unit": { "$ref": "#/$defs/unit" },
            "key": { "type": "string", "x-mcp-header": "Key" },
            "a/b": true,
        },
        "required": ["city", "key"],
        "examples": [{ "city": "Oslo", "key": "demo" }],
        "default": { "city": "Oslo", "key": "demo" },
        "$defs": { "unit": { "enum": ["C", "F"] } },
    })
}

/// A guest with the tools `forecast`, which returns its arguments, and `alerts` and `about`, which return their names.
fn weather_guest() -> Guest {
    let mut guest = Guest::saying("alerts", "alerts");
    let about = guest.string("about");
    let forecast = Tool {
        title: Some("Forecast".into()),
        annotations: Some([Some(true), None, None, Some(true)]),
        icons: vec![Icon {
            src: "https://example.com/i.png".into(),
            media_type: None,
            sizes: Vec::new(),
        }],
        meta: Some(r#"{"com.example/rank":7}"#.into()),
        ..Tool::new("forecast")
    }
    .with_description("What the weather will be.")
    .taking(forecast_schema());
    guest
        .tool(
            forecast,
            "(call $text (local.get $arguments) (local.get $arguments_len))",
        )
        .tool(Tool::new("about"), format!("(call $text {about})"));
    guest
}

/// Starts a host whose `[[component]]` section for the guest has these settings.
async fn start_host(settings: &str) -> Host {
    let text = format!("[[component]]\nref = \"weather.wasm\"\n{settings}\n");
    Host::configured(&[("weather", &weather_guest())], &text).await
}

async fn list_tools(client: &Client) -> Vec<Value> {
    let answer = client.list().await;
    answer.result()["tools"].as_array().unwrap().clone()
}

async fn tool_names(client: &Client) -> Vec<String> {
    let name = |tool: Value| tool["name"].as_str().unwrap().to_owned();
    list_tools(client).await.into_iter().map(name).collect()
}

async fn find_tool(client: &Client, name: &str) -> Value {
    let mut tools = list_tools(client).await.into_iter();
    tools.find(|tool| tool["name"] == name).unwrap()
}

#[tokio::test]
async fn tools_can_be_selected_excluded_and_disabled() {
    for (settings, expected) in [
        ("", &["about", "alerts", "forecast"][..]),
        ("tools = [\"forecast\", \"about\"]", &["about", "forecast"]),
        ("exclude = [\"about\"]", &["alerts", "forecast"]),
        ("exclude = []", &["about", "alerts", "forecast"]),
        (
            "tools = [\"forecast\", \"about\"]\nexclude = [\"alerts\"]",
            &["about", "forecast"],
        ),
        (
            "[component.tool.about]\nenabled = false",
            &["alerts", "forecast"],
        ),
        (
            "[component.tool.about]\nenabled = true",
            &["about", "alerts", "forecast"],
        ),
        (
            "tools = [\"forecast\", \"about\"]\n[component.tool.about]\nenabled = false",
            &["forecast"],
        ),
        // The lists refer to the names of the component, not to the overridden ones.
        (
            "prefix = \"w_\"\ntools = [\"forecast\"]\n[component.tool.forecast]\nrename = \"alerts\"",
            &["w_alerts"],
        ),
    ] {
        let host = start_host(settings).await;
        let client = host.client();
        assert_eq!(tool_names(&client).await, expected, "{settings}");
        for name in ["about", "alerts", "forecast"] {
            let answer = client.call(name, json!({ "city": "Oslo" })).await;
            let is_known = answer.last()["error"]["code"] != -32602;
            assert_eq!(is_known, expected.contains(&name), "{settings}: {name}");
        }
    }
}

/// `file#tool` selects one tool of the file.
#[tokio::test]
async fn references_can_select_a_tool() {
    for (text, expected) in [
        (
            "components = [\"weather.wasm#forecast\"]",
            &["forecast"][..],
        ),
        (
            "components = [\"weather.wasm#forecast\", \"./weather.wasm#about\"]",
            &["about", "forecast"],
        ),
        (
            "components = [\"weather.wasm#forecast\", \"weather.wasm\"]",
            &["about", "alerts", "forecast"],
        ),
        (
            "components = [\".\", \"weather.wasm#forecast\"]",
            &["about", "alerts", "forecast", "hello"],
        ),
        ("components = [\"w*.wasm#about\"]", &["about"]),
        // A path may contain `#`.
        ("components = [\"c#.wasm\"]", &["hello"]),
        ("components = [\"c#.wasm#hello\"]", &["hello"]),
        (
            "[[component]]\nref = \"weather.wasm#alerts\"\nprefix = \"w_\"\n[component.tool.alerts]\nrename = \"all\"",
            &["w_all"],
        ),
        // Settings apply to the file, whichever reference selects its tools.
        (
            "components = [\"weather.wasm#alerts\"]\n[[component]]\nref = \"weather.wasm\"\nprefix = \"w_\"\nexclude = [\"about\"]",
            &["w_alerts", "w_forecast"],
        ),
    ] {
        let hello = Guest::saying("hello", "hello");
        let host = Host::configured(&[("weather", &weather_guest()), ("c#", &hello)], text).await;
        assert_eq!(tool_names(&host.client()).await, expected, "{text}");
    }
}

#[tokio::test]
async fn settings_of_a_file_take_precedence_over_those_of_a_pattern() {
    let section = |reference: &str, prefix: &str| {
        format!("[[component]]\nref = \"{reference}\"\nprefix = \"{prefix}\"\n")
    };
    let (all, one) = (section("*.wasm", "all_"), section("hello.wasm", "one_"));
    for text in [format!("{all}{one}"), format!("{one}{all}")] {
        let (hello, other) = (Guest::saying("hello", "1"), Guest::saying("other", "2"));
        let host = Host::configured(&[("hello", &hello), ("other", &other)], &text).await;
        assert_eq!(
            tool_names(&host.client()).await,
            ["all_other", "one_hello"],
            "{text}"
        );
    }
}

/// All other fields keep the component's values.
#[tokio::test]
async fn names_titles_and_descriptions_can_be_changed() {
    let settings = "prefix = \"w_\"
        [component.tool.forecast]
        rename = \"ahead\"
        title = \"Das Wetter\"
        description = \"Für morgen.\\nUnd übermorgen.\"
        [component.tool.alerts]
        rename = \"forecast\"";
    let host = start_host(settings).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        assert_eq!(
            tool_names(&client).await,
            ["w_about", "w_ahead", "w_forecast"]
        );
        let expected = json!({
            "name": "w_ahead",
            "title": "Das Wetter",
            "description": "Für morgen.\nUnd übermorgen.",
            "inputSchema": forecast_schema(),
            "annotations": { "readOnlyHint": true, "openWorldHint": true },
            "icons": [{ "src": "https://example.com/i.png" }],
            "_meta": { "com.example/rank": 7 },
        });
        assert_eq!(
            find_tool(&client, "w_ahead").await,
            expected,
            "{revision:?}"
        );
        // A call with the new name reaches the renamed tool.
        let answer = client.call("w_forecast", json!({})).await;
        assert_eq!(answer.text(), "alerts", "{revision:?}");
        for name in ["ahead", "forecast", "w_alerts"] {
            assert_eq!(client.call(name, json!({})).await.code(), -32602, "{name}");
        }
    }
    // Fields that are not set stay the same.
    let host = start_host("[component.tool.forecast]\ntitle = \"Weather\"").await;
    let found = find_tool(&host.client(), "forecast").await;
    assert_eq!(found["title"], "Weather");
    assert_eq!(found["description"], "What the weather will be.");
    // Two tools can swap their names.
    let swapped =
        "[component.tool.about]\nrename = \"alerts\"\n[component.tool.alerts]\nrename = \"about\"";
    let host = start_host(swapped).await;
    let client = host.client();
    assert_eq!(client.call("alerts", json!({})).await.text(), "about");
    assert_eq!(client.call("about", json!({})).await.text(), "alerts");
}

#[tokio::test]
async fn scopes_apply_to_the_renamed_tool() {
    let issuer = Issuer::start().await;
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\n[auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\n\
         jwks-uri = \"{}\"\n[[component]]\nref = \"weather.wasm\"\n[component.tool.alerts]\nrename = \"forecast\"\n\
         scopes = [\"alerts\"]\n[component.tool.forecast]\nrename = \"alerts\"\nhide = [\"days\"]\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let host = Host::configured(&[("weather", &weather_guest())], &text).await;
    for (scope, listed, status) in [
        ("none", &["about", "alerts"][..], 403),
        ("alerts", &["about", "alerts", "forecast"], 200),
    ] {
        let token = issuer.token(|claims| claims["scope"] = json!(scope));
        let client = host.client().with_token(&token);
        assert_eq!(tool_names(&client).await, listed, "{scope}");
        let answer = client.call("forecast", json!({})).await;
        assert_eq!(answer.status, status, "{scope}: {answer:?}");
    }
}

#[test]
fn commands_show_and_call_the_changed_tools() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("weather", &weather_guest().component());
    let settings = "[[component]]\nref = \"weather.wasm\"\nprefix = \"w_\"\nexclude = [\"about\"]
        [component.tool.forecast]\nrename = \"ahead\"\ntitle = \"Ahead\"\ndescription = \"What comes.\"
        hide = [\"key\"]\ndefaults = { key = \"k\", days = 2 }\n";
    toolcrib.file("c.toml", settings);
    let run = |arguments: &[&str]| {
        let arguments = [arguments, &["--config", "c.toml"]].concat();
        toolcrib.run(&arguments)
    };
    let check_tools = |component: &Value| {
        let tools = component["tools"].as_array().unwrap();
        assert_eq!(tools.len(), 2, "{component}");
        let tool = &tools[0];
        assert_eq!(
            (&tool["name"], &tool["title"], &tool["description"]),
            (&json!("w_ahead"), &json!("Ahead"), &json!("What comes."))
        );
        let schema = &tool["inputSchema"];
        assert_eq!(schema["properties"]["days"]["default"], 2);
        assert_eq!(schema["properties"]["key"], Value::Null);
        assert_eq!(tools[1]["name"], "w_alerts");
    };
    let ended = run(&["inspect", "--json", "weather.wasm"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    check_tools(&serde_json::from_str::<Value>(&ended.stdout).unwrap()[0]);
    let ended = run(&["check", "--no-auth", "--json"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    check_tools(&serde_json::from_str::<Value>(&ended.stdout).unwrap()["components"][0]);
    let ended = run(&["check", "--no-auth"]);
    assert_eq!(ended.stdout, "ok: 2 tools from 1 component\n");

    let ended = run(&["inspect", "weather.wasm"]);
    for (text, is_shown) in [
        ("w_ahead", true),
        ("Ahead", true),
        ("What comes.", true),
        ("\"default\":2", true),
        ("\"key\"", false),
        ("forecast", false),
        ("about", false),
    ] {
        let stdout = &ended.stdout;
        assert_eq!(stdout.contains(text), is_shown, "{text}: {stdout}");
    }

    let ended = run(&["call", "weather.wasm", "w_ahead", "{\"city\":\"Oslo\"}"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found, json!({ "city": "Oslo", "key": "k", "days": 2 }));
    let ended = run(&["call", "weather.wasm", "w_ahead", "{\"key\":\"x\"}"]);
    assert_eq!(ended.status, 1);
    assert_eq!(
        ended.stderr,
        "error: `/key`: the tool takes no such argument\n\
         usage: toolcrib call weather.wasm w_ahead city=TEXT [days=INTEGER] [unit=TEXT] [a/b=VALUE]\n"
    );
    let ended = run(&["inspect", "--json", "weather.wasm#alerts"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    let tools = found[0]["tools"].as_array().unwrap();
    assert!(
        tools.len() == 1 && tools[0]["name"] == "w_alerts",
        "{found}"
    );
    let ended = run(&["call", "weather.wasm#alerts", "w_alerts"]);
    assert_eq!(ended.stdout, "alerts\n");
    let ended = run(&["call", "weather.wasm", "forecast"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.contains("it has w_ahead, w_alerts"),
        "{ended:?}"
    );
}
