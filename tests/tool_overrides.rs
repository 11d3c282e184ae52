//! What the operator changes about tools in the configuration: which are served, under which names and texts, and which of
//! their arguments callers see and give.

mod arguments;

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Icon, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// What `forecast` takes.
fn schema() -> Value {
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

/// `forecast` says what its arguments are; `alerts` and `about` say their names.
fn weather() -> Guest {
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
    .described("What the weather will be.")
    .taking(schema());
    guest
        .tool(
            forecast,
            "(call $text (local.get $arguments) (local.get $arguments_len))",
        )
        .tool(Tool::new("about"), format!("(call $text {about})"));
    guest
}

/// Serves the component with these settings in its `[[component]]`.
async fn served(settings: &str) -> Host {
    let text = format!("[[component]]\nref = \"weather.wasm\"\n{settings}\n");
    Host::configured(&[("weather", &weather())], &text).await
}

async fn tools(client: &Client) -> Vec<Value> {
    let answer = client.list().await;
    answer.result()["tools"].as_array().unwrap().clone()
}

async fn names(client: &Client) -> Vec<String> {
    let name = |tool: Value| tool["name"].as_str().unwrap().to_owned();
    tools(client).await.into_iter().map(name).collect()
}

async fn tool(client: &Client, name: &str) -> Value {
    let mut tools = tools(client).await.into_iter();
    tools.find(|tool| tool["name"] == name).unwrap()
}

#[tokio::test]
async fn what_is_served() {
    for (settings, wanted) in [
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
        // The lists name the component's own names, whatever clients see.
        (
            "prefix = \"w_\"\ntools = [\"forecast\"]\n[component.tool.forecast]\nrename = \"alerts\"",
            &["w_alerts"],
        ),
    ] {
        let host = served(settings).await;
        let client = host.client();
        assert_eq!(names(&client).await, wanted, "{settings}");
        for name in ["about", "alerts", "forecast"] {
            let answer = client.call(name, json!({ "city": "Oslo" })).await;
            let is_known = answer.last()["error"]["code"] != -32602;
            assert_eq!(is_known, wanted.contains(&name), "{settings}: {name}");
        }
    }
}

/// `#tool` after a file selects one tool of it.
#[tokio::test]
async fn selected_by_a_reference() {
    for (text, wanted) in [
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
        // A `#` may be part of a path.
        ("components = [\"c#.wasm\"]", &["hello"]),
        ("components = [\"c#.wasm#hello\"]", &["hello"]),
        (
            "[[component]]\nref = \"weather.wasm#alerts\"\nprefix = \"w_\"\n[component.tool.alerts]\nrename = \"all\"",
            &["w_all"],
        ),
        // The settings are for the file, however it is named.
        (
            "components = [\"weather.wasm#alerts\"]\n[[component]]\nref = \"weather.wasm\"\nprefix = \"w_\"\nexclude = [\"about\"]",
            &["w_alerts", "w_forecast"],
        ),
    ] {
        let hello = Guest::saying("hello", "hello");
        let host = Host::configured(&[("weather", &weather()), ("c#", &hello)], text).await;
        assert_eq!(names(&host.client()).await, wanted, "{text}");
    }
}

/// What is said of a file itself holds for it, whatever is said of its directory, and in whichever order.
#[tokio::test]
async fn of_the_file_itself() {
    let of = |reference: &str, prefix: &str| {
        format!("[[component]]\nref = \"{reference}\"\nprefix = \"{prefix}\"\n")
    };
    let (all, one) = (of("*.wasm", "all_"), of("hello.wasm", "one_"));
    for text in [format!("{all}{one}"), format!("{one}{all}")] {
        let (hello, other) = (Guest::saying("hello", "1"), Guest::saying("other", "2"));
        let host = Host::configured(&[("hello", &hello), ("other", &other)], &text).await;
        assert_eq!(
            names(&host.client()).await,
            ["all_other", "one_hello"],
            "{text}"
        );
    }
}

/// Names and texts are the operator's; everything else stays the component's.
#[tokio::test]
async fn names_and_texts() {
    let settings = "prefix = \"w_\"
        [component.tool.forecast]
        rename = \"ahead\"
        title = \"Das Wetter\"
        description = \"Für morgen.\\nUnd übermorgen.\"
        [component.tool.alerts]
        rename = \"forecast\"";
    let host = served(settings).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        assert_eq!(names(&client).await, ["w_about", "w_ahead", "w_forecast"]);
        let wanted = json!({
            "name": "w_ahead",
            "title": "Das Wetter",
            "description": "Für morgen.\nUnd übermorgen.",
            "inputSchema": schema(),
            "annotations": { "readOnlyHint": true, "openWorldHint": true },
            "icons": [{ "src": "https://example.com/i.png" }],
            "_meta": { "com.example/rank": 7 },
        });
        assert_eq!(tool(&client, "w_ahead").await, wanted, "{revision:?}");
        // A call of a new name gets to the tool behind it.
        let answer = client.call("w_forecast", json!({})).await;
        assert_eq!(answer.text(), "alerts", "{revision:?}");
        for name in ["ahead", "forecast", "w_alerts"] {
            assert_eq!(client.call(name, json!({})).await.code(), -32602, "{name}");
        }
    }
    // Only what is written changes.
    let host = served("[component.tool.forecast]\ntitle = \"Weather\"").await;
    let found = tool(&host.client(), "forecast").await;
    assert_eq!(found["title"], "Weather");
    assert_eq!(found["description"], "What the weather will be.");
    // Two tools may swap their names.
    let swapped =
        "[component.tool.about]\nrename = \"alerts\"\n[component.tool.alerts]\nrename = \"about\"";
    let host = served(swapped).await;
    let client = host.client();
    assert_eq!(client.call("alerts", json!({})).await.text(), "about");
    assert_eq!(client.call("about", json!({})).await.text(), "alerts");
}

/// Scopes follow the tool to its new name.
#[tokio::test]
async fn scopes() {
    let issuer = Issuer::start().await;
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\n[auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\n\
         jwks-uri = \"{}\"\n[[component]]\nref = \"weather.wasm\"\n[component.tool.alerts]\nrename = \"forecast\"\n\
         scopes = [\"alerts\"]\n[component.tool.forecast]\nrename = \"alerts\"\nhide = [\"days\"]\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let host = Host::configured(&[("weather", &weather())], &text).await;
    for (scope, all, status) in [
        ("none", &["about", "alerts"][..], 403),
        ("alerts", &["about", "alerts", "forecast"], 200),
    ] {
        let token = issuer.token(|claims| claims["scope"] = json!(scope));
        let client = host.client().with_token(&token);
        assert_eq!(names(&client).await, all, "{scope}");
        let answer = client.call("forecast", json!({})).await;
        assert_eq!(answer.status, status, "{scope}: {answer:?}");
    }
}

/// `inspect`, `call` and `check` show and use what is served.
#[test]
fn command_line() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("weather", &weather().component());
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
    for (text, is_there) in [
        ("w_ahead", true),
        ("Ahead", true),
        ("What comes.", true),
        ("\"default\":2", true),
        ("\"key\"", false),
        ("forecast", false),
        ("about", false),
    ] {
        let stdout = &ended.stdout;
        assert_eq!(stdout.contains(text), is_there, "{text}: {stdout}");
    }

    let ended = run(&["call", "weather.wasm", "w_ahead", "{\"city\":\"Oslo\"}"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found, json!({ "city": "Oslo", "key": "k", "days": 2 }));
    let ended = run(&["call", "weather.wasm", "w_ahead", "{\"key\":\"x\"}"]);
    assert_eq!(ended.status, 1);
    assert_eq!(
        ended.stderr,
        "error: `/key`: the tool takes no such argument\n"
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
