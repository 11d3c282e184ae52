//! The example components: every tool works when called from the command line, and rejects invalid arguments with one
//! line.

use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::EXAMPLES;
use crate::process::{Process, TOOLCRIB};

/// A calendar whose second line of the summary is folded, with a recurring event and one of a whole day.
const AGENDA: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20261022T090000\r\n\
    DTEND;TZID=Europe/Berlin:20261022T093000\r\nSUMMARY:Stand-up\\, da\r\n ily\r\n\
    RRULE:FREQ=WEEKLY;BYDAY=MO,TH\r\nEXDATE;TZID=Europe/Berlin:20261203T090000\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261205\r\nSUMMARY:Party\r\nLOCATION:Roof\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

/// Runs `toolcrib call --json`. Returns the tool result and the exit status.
fn call(component: &str, tool: &str, arguments: &Value) -> (Value, i32) {
    let output = Command::new(TOOLCRIB)
        .args(["call", &format!("{EXAMPLES}/{component}.wasm"), tool])
        .args([&arguments.to_string(), "--json"])
        .output()
        .unwrap();
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("{component} {tool}: {error}: {stderr}");
    });
    (result, output.status.code().unwrap())
}

#[test]
fn every_tool_works() {
    let markdown = "# Title\n\n<script>alert(1)</script>\n";
    let cases = [
        (
            "echo",
            "echo",
            json!({ "text": "hé" }),
            "/structuredContent/text",
            json!("hé"),
        ),
        (
            "echo",
            "whoami",
            json!({}),
            "/structuredContent/caller",
            Value::Null,
        ),
        (
            "jq",
            "jq",
            json!({ "filter": "map(.n) | add", "input": [{ "n": 1 }, { "n": 41 }] }),
            "/structuredContent/results/0",
            json!(42),
        ),
        (
            "jq",
            "jq_each",
            json!({ "filter": "1 / .", "inputs": [2, 0] }),
            "/structuredContent/failed",
            json!(1),
        ),
        (
            "calendar",
            "shift",
            json!({ "start": { "year": 2024, "month": 1, "day": 31 }, "by": { "months": 1 } }),
            "/structuredContent/day",
            json!(29),
        ),
        (
            "calendar",
            "days_between",
            json!({
                "start": { "year": 2000, "month": 3, "day": 1 },
                "end": { "year": 2000, "month": 1, "day": 1 },
            }),
            "/structuredContent/result",
            json!(-60),
        ),
        (
            "calendar",
            "weekday_of",
            json!({ "of": { "year": 1969, "month": 7, "day": 20 } }),
            "/structuredContent/result",
            json!("sunday"),
        ),
        (
            "calendar",
            "list_dates",
            json!({
                "start": { "year": 2027, "month": 2, "day": 27 },
                "end": { "year": 2027, "month": 3, "day": 9 },
                "only": ["monday"],
            }),
            "/structuredContent/result/1/day",
            json!(8),
        ),
        (
            "calendar",
            "is_leap_year",
            json!({ "year": 1900 }),
            "/content/0/text",
            json!("false"),
        ),
        (
            "table",
            "table_stats",
            json!({ "csv": "city,degrees\nOslo,2\nRome,16\nBern,6\n" }),
            "/structuredContent/groups/0/columns/degrees/median",
            json!(6.0),
        ),
        (
            "table",
            "table_stats",
            json!({ "rows": [{ "k": "a", "n": 1 }, { "k": "b", "n": 2 }], "group_by": ["k"] }),
            "/structuredContent/groups/1/key/k",
            json!("b"),
        ),
        (
            "text",
            "markdown_to_html",
            json!({ "markdown": markdown }),
            "/structuredContent/html",
            json!("<h1>Title</h1>\n<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ),
        (
            "text",
            "text_diff",
            json!({ "before": "a\nb\n", "after": "a\nc\n" }),
            "/structuredContent/added",
            json!(1),
        ),
        (
            "units",
            "convert_units",
            json!({ "values": [26.2, 1], "from": "miles", "to": ["km", "m"] }),
            "/structuredContent/rows",
            json!([
                { "value": 26.2, "results": [{ "unit": "km", "value": 42.1648128 }, { "unit": "m", "value": 42164.8128 }] },
                { "value": 1, "results": [{ "unit": "km", "value": 1.609344 }, { "unit": "m", "value": 1609.344 }] },
            ]),
        ),
        (
            "units",
            "convert_units",
            json!({ "values": [-40], "from": "degC" }),
            "/content/0/text",
            json!("| degC | K | degF |\n| --- | --- | --- |\n| -40 | 233.15 | -40 |"),
        ),
        (
            "units",
            "list_units",
            json!({ "quantity": "mass" }),
            "/structuredContent/units/5",
            json!({ "symbol": "lb", "name": "pound", "quantity": "mass" }),
        ),
        // Thursday is excepted. The time zone changes its offset between the first event and these.
        (
            "agenda",
            "list_events",
            json!({ "calendar": AGENDA, "from": "2026-11-30", "to": "2026-12-06", "zone": "Europe/Berlin" }),
            "/structuredContent/events",
            json!([
                { "start": "2026-11-30T09:00:00+01:00", "end": "2026-11-30T09:30:00+01:00", "summary": "Stand-up, daily" },
                { "start": "2026-12-05", "end": "2026-12-06", "summary": "Party", "location": "Roof" },
            ]),
        ),
        (
            "agenda",
            "list_events",
            json!({ "calendar": AGENDA, "from": "2026-10-20", "to": "2026-10-22" }),
            "/structuredContent/events/0/start",
            json!("2026-10-22T07:00:00Z"),
        ),
    ];
    for (component, tool, arguments, pointer, expected) in cases {
        let (result, status) = call(component, tool, &arguments);
        assert_eq!(status, 0, "{tool}: {result:#}");
        let found = result
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{tool}: {result:#}"));
        let is_equal = match (found.as_f64(), expected.as_f64()) {
            (Some(found), Some(expected)) => found == expected,
            _ => *found == expected,
        };
        assert!(is_equal, "{tool}: {pointer} is {found}, not {expected}");
    }
}

#[test]
fn qr_codes_contain_the_given_text() {
    let text = "https://example.com/?q=hé";
    let (result, _) = call("qr", "qr_code", &json!({ "text": text }));
    let image = &result["content"][0];
    assert_eq!(image["mimeType"], "image/png", "{result:#}");
    let png = base64::engine::general_purpose::STANDARD
        .decode(image["data"].as_str().unwrap())
        .unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_luma8();
    let mut picture = rqrr::PreparedImage::prepare(picture);
    let (_, content) = picture.detect_grids()[0].decode().unwrap();
    assert_eq!(content, text);
}

#[test]
fn invalid_arguments_are_rejected_with_one_line() {
    let cases = [
        ("echo", "echo", json!({ "text": 1 }), "`/text`"),
        ("jq", "jq", json!({ "filter": ".[", "input": 1 }), "filter"),
        (
            "qr",
            "qr_code",
            json!({ "text": "x".repeat(8_000) }),
            "text",
        ),
        (
            "table",
            "table_stats",
            json!({ "csv": "a\n1\n", "rows": [{ "a": 1 }] }),
            "csv",
        ),
        ("text", "text_diff", json!({ "before": "a" }), "after"),
        (
            "units",
            "convert_units",
            json!({ "values": [1], "from": "km", "to": ["kg"] }),
            "km measures length and kg measures mass",
        ),
        (
            "units",
            "convert_units",
            json!({ "values": [1], "from": "parsec\n" }),
            "there is no unit \"parsec\\n\"",
        ),
        (
            "units",
            "convert_units",
            json!({ "values": [1e308], "from": "km" }),
            "too large",
        ),
        (
            "agenda",
            "list_events",
            json!({ "calendar": AGENDA, "from": "2026-11-30", "to": "2026-12-06", "zone": "Mars" }),
            "there is no time zone \"Mars\"",
        ),
        (
            "agenda",
            "list_events",
            json!({ "calendar": AGENDA.replace("BYDAY=MO,TH", "BYSETPOS=1"), "from": "2026-11-30", "to": "2026-12-06" }),
            "the part \"BYSETPOS\" of RRULE is not supported",
        ),
        (
            "calendar",
            "weekday_of",
            json!({ "of": { "year": 2026, "month": 2, "day": 29 } }),
            "there is no date 2026-02-29",
        ),
        (
            "calendar",
            "weekday_of",
            json!({ "of": { "year": 2026, "month": 300, "day": 1 } }),
            "`/of/month`",
        ),
    ];
    for (component, tool, arguments, words) in cases {
        let (result, status) = call(component, tool, &arguments);
        assert_eq!(
            (status, &result["isError"]),
            (1, &json!(true)),
            "{tool}: {result:#}"
        );
        let message = result["content"][0]["text"].as_str().unwrap();
        assert!(message.contains(words), "{tool}: {message}");
        assert_eq!(message.lines().count(), 1, "{tool}: {message}");
    }
}

/// Returns what `toolcrib inspect` prints of an example.
fn inspect(component: &str) -> Value {
    let output = Command::new(TOOLCRIB)
        .args(["inspect", &format!("{EXAMPLES}/{component}.wasm"), "--json"])
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found[0].clone()
}

/// The host resets such a memory fastest.
#[test]
fn small_examples_start_with_at_most_192_kib_of_memory() {
    for component in ["echo", "handbook", "calendar", "qr"] {
        let memory = inspect(component)["memory"].as_u64().unwrap();
        assert!(memory <= 192 << 10, "{component}: {memory}");
    }
}

#[test]
fn function_components_contain_their_wit_documentation() {
    let found = inspect("calendar");
    let tools = found["tools"].as_array().unwrap();
    let shift = tools.iter().find(|tool| tool["name"] == "shift").unwrap();
    let description = shift["description"].as_str().unwrap();
    assert!(description.starts_with("The date that lies"), "{shift:#}");
    let schema = &shift["inputSchema"]["properties"]["start"]["properties"]["year"];
    assert_eq!(schema["description"], "1 to 9999.");
}

#[tokio::test]
async fn the_handbook_serves_resources_prompts_and_completions() {
    let component = format!("{EXAMPLES}/handbook.wasm");
    let process = Process::serve(["--no-auth", &component]);
    let url = format!("http://{}/mcp", process.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = async |method: &str, params: Value| -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = client.post(&url).body(message.to_string());
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        let response = request.send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    };
    let chapter = "handbook://chapters/expenses";
    let reference = json!({ "type": "ref/prompt", "name": "ask_handbook" });
    let template = json!({ "type": "ref/resource", "uri": "handbook://chapters/{name}" });
    let cases = [
        ("tools/list", json!({}), "/result/tools", json!([])),
        (
            "resources/list",
            json!({}),
            "/result/resources/0/uri",
            json!("handbook://index"),
        ),
        (
            "resources/read",
            json!({ "uri": "handbook://index" }),
            "/result/contents/0/text",
            json!(
                "- [Expenses](handbook://chapters/expenses)\n\
                 - [Security](handbook://chapters/security)\n\
                 - [Time off](handbook://chapters/time-off)\n"
            ),
        ),
        (
            "resources/read",
            json!({ "uri": chapter }),
            "/result/contents/0/mimeType",
            json!("text/markdown"),
        ),
        (
            "resources/read",
            json!({ "uri": "handbook://chapters/dress-code" }),
            "/error/code",
            json!(-32002),
        ),
        (
            "prompts/get",
            json!({ "name": "ask_handbook", "arguments": { "question": "What now?", "chapter": "expenses" } }),
            "/result/messages/0/content/resource/uri",
            json!(chapter),
        ),
        (
            "prompts/get",
            json!({ "name": "ask_handbook", "arguments": { "question": "What now?" } }),
            "/result/messages/2/content/resource/uri",
            json!("handbook://chapters/time-off"),
        ),
        (
            "prompts/get",
            json!({ "name": "ask_handbook", "arguments": { "question": "?", "chapter": "none" } }),
            "/error/message",
            json!("there is no chapter `none`"),
        ),
        (
            "prompts/get",
            json!({ "name": "ask_handbook" }),
            "/error/message",
            json!("the argument `question` is missing"),
        ),
        (
            "completion/complete",
            json!({ "ref": reference, "argument": { "name": "chapter", "value": "t" } }),
            "/result/completion/values",
            json!(["time-off"]),
        ),
        (
            "completion/complete",
            json!({ "ref": template, "argument": { "name": "name", "value": "" } }),
            "/result/completion/total",
            json!(3),
        ),
    ];
    for (method, params, pointer, expected) in cases {
        let answer = request(method, params).await;
        assert_eq!(answer.pointer(pointer), Some(&expected), "{answer:#}");
    }
}
