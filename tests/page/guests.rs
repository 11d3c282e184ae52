//! Servers that the page is tried with.

use serde_json::json;

use crate::support::guest::{
    Argument, Block, Guest, Link, Prompt, PromptResult, Reply, Resource, ResourceContents, Tool,
};

/// The simplest attempt.
pub(super) const SCRIPT: &str = "<script>window.__pwned=1</script>";
/// Texts that run script where they are taken for HTML, a URL, Markdown or code.
pub(super) const PAYLOADS: [&str; 12] = [
    SCRIPT,
    "<img src=x onerror=window.__pwned=1>",
    "\"><svg onload=window.__pwned=1><animate onbegin=window.__pwned=1>",
    "'-window.__pwned=1-'`${window.__pwned=1}`\\\"",
    "<iframe srcdoc=\"<script>parent.__pwned=1</script>\"></iframe>",
    "</style></title></textarea><script>window.__pwned=1</script><!--",
    "[link](javascript:window.__pwned=1) [other](<data:text/html,<script>window.__pwned=1</script>>) <javascript:window.__pwned=1>",
    "[entity](&#106;avascript:window.__pwned=1) [tab](java\tscript:window.__pwned=1) [view](vbscript:x) [blob](blob:x)",
    "![image](javascript:window.__pwned=1) ![x](x\"onerror=\"window.__pwned=1) ![remote](https://evil.example/a.png)",
    "<a href=\"javascript:window.__pwned=1\" onclick=window.__pwned=1 autofocus onfocus=window.__pwned=1>a</a>",
    "| <b onmouseover=window.__pwned=1> | [a](javascript:window.__pwned=1) |\n|---|---|\n| <script>window.__pwned=1</script> | <details open ontoggle=window.__pwned=1> |",
    "```js\"><img src=x onerror=window.__pwned=1>\n</code></pre><script>window.__pwned=1</script>\n```",
];
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\" onload=\"parent.__pwned=1\">\
    <script>parent.__pwned=1;window.__pwned=1;top.__pwned=1;alert(1)</script><circle r=\"9\"/>\
    <image href=\"https://evil.example/x.png\"/><foreignObject><iframe xmlns=\"http://www.w3.org/1999/xhtml\" \
    srcdoc=\"&lt;script&gt;top.__pwned=1&lt;/script&gt;\"/></foreignObject></svg>";
const HTML: &str = "<!doctype html><script>opener&&(opener.__pwned=1);window.__pwned=1</script><body onload=alert(1)>";
/// A WAVE file without samples.
const WAVE: &[u8] =
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0";
const NAME_FORM: &str = r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}"#;

/// Tools with the kinds of results that the examples lack.
pub(super) fn useful() -> Guest {
    let mut guest = Guest::new();
    let sound = guest.reply(&Reply {
        content: vec![(Block::Audio(WAVE, "audio/wav"), None)],
        ..Reply::default()
    });
    guest.tool(Tool::new("sound"), sound);
    let notes =
        guest.string("# Notes\n\nA **strong** word.\n\n| a | b |\n|---|---|\n| cell | 2 |\n");
    guest.tool(Tool::new("notes"), format!("(call $text {notes})"));
    let (halfway, line) = (guest.string("halfway"), guest.string("a line of the log"));
    guest.tool(
        Tool::new("slow"),
        format!(
            "(call $log (i32.const 1) {line})
             (call $progress (f64.const 2) (i32.const 1) (f64.const 4) (i32.const 1) {halfway})
             (call $spin)"
        ),
    );
    let question = guest.questions(&[["name", "elicitation/create", NAME_FORM]]);
    guest.tool(
        Tool::new("asks"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {question})))
             (call $text (call $answer (local.get $answers) (i32.const 0)))"
        ),
    );
    guest
}

/// A guest with this number of tools.
pub(super) fn many(count: usize) -> Guest {
    let mut guest = Guest::new();
    let done = guest.string("done");
    for number in 0..count {
        let description = format!("This is tool {number} of many.");
        let tool = Tool::new(&format!("tool_{number:03}")).with_description(&description);
        guest.tool(tool, format!("(call $text {done})"));
    }
    guest
}

/// A guest that has a payload wherever a text can be.
pub(super) fn hostile() -> Guest {
    let mut guest = Guest::new();
    for (index, payload) in PAYLOADS.iter().enumerate() {
        let tool = Tool {
            title: Some((*payload).into()),
            ..Tool::new(&format!("text_{index}")).with_description(payload)
        };
        let text = guest.string(payload);
        guest.tool(tool.taking(schema(payload)), format!("(call $text {text})"));
        let failed = guest.string(payload);
        guest.tool(
            Tool::new(&format!("failure_{index}")),
            format!("(call $failed {failed})"),
        );
    }
    let all = PAYLOADS.join("\n\n");
    let text = guest.string(&all);
    guest.tool(Tool::new("markdown"), format!("(call $text {text})"));
    // The time of a parser of Markdown may grow with the square of such texts.
    for (index, part) in ["__a", "> ", "[", "1. "].iter().enumerate() {
        let text = guest.string(part.repeat(30_000));
        let tool = Tool::new(&format!("expensive_{index}"));
        guest.tool(tool, format!("(call $text {text})"));
    }
    let rows = json!({ "rows": PAYLOADS.map(|payload| json!({ payload: payload, "url": "javascript:window.__pwned=1" })) });
    let tree = json!({ "a": { "__proto__": { "polluted": PAYLOADS }, "constructor": PAYLOADS }, SCRIPT: [{}, all] });
    for (name, structured) in [("rows", rows), ("tree", tree)] {
        // `json!` keeps the key `__proto__`, which a program in JavaScript must not take for the prototype.
        let structured = structured.to_string();
        let reply = guest.reply(&Reply {
            content: vec![(Block::Text(&structured), None)],
            structured: Some(&structured),
            meta: Some(r#"{"example.com/<img src=x onerror=window.__pwned=1>":"<script>window.__pwned=1</script>"}"#),
        });
        guest.tool(Tool::new(name), reply);
    }
    let link = |uri| {
        Block::Link(Link {
            uri,
            name: SCRIPT,
            title: Some(PAYLOADS[1]),
            description: Some(PAYLOADS[2]),
            ..Link::default()
        })
    };
    let media = guest.reply(&Reply {
        content: [
            Block::Image(SVG.as_bytes(), "image/svg+xml"),
            Block::Image(HTML.as_bytes(), "text/html"),
            Block::Image(SVG.as_bytes(), "image/png"),
            Block::Audio(HTML.as_bytes(), "audio/wav"),
            Block::EmbeddedText("ui://page", Some("text/html"), HTML),
            Block::EmbeddedText("ui://svg", Some("image/svg+xml"), SVG),
            Block::EmbeddedText("notes://all", Some("text/markdown"), &all),
            Block::EmbeddedBinary("ui://page", Some("text/html"), HTML.as_bytes()),
            Block::EmbeddedBinary("ui://svg", Some("image/svg+xml"), SVG.as_bytes()),
            link("javascript:window.__pwned=1"),
            link("data:text/html,<script>window.__pwned=1</script>"),
            link("https://evil.example/"),
        ]
        .map(|block| (block, None))
        .into(),
        ..Reply::default()
    });
    guest.tool(Tool::new("media"), media);
    let form = json!({ "message": all, "requestedSchema": { "type": "object", "properties": {
        "name": { "type": "string", "title": SCRIPT, "description": PAYLOADS[1], "default": PAYLOADS[2] },
        "choice": { "type": "string", "enum": PAYLOADS, "default": PAYLOADS[0] },
    } } });
    let visit = json!({ "mode": "url", "message": all, "url": "javascript:window.__pwned=1", "elicitationId": "1" });
    for (name, question) in [("form", form), ("visit", visit)] {
        let question = question.to_string();
        let asked = guest.questions(&[["q", "elicitation/create", &question]]);
        let text = guest.string(SCRIPT);
        guest.tool(
            Tool::new(name),
            format!("(if (i32.eqz (local.get $answers_len)) (then (return {asked}))) (call $text {text})"),
        );
    }
    let text = guest.string(&all);
    guest.tool(
        Tool::new("reports"),
        format!(
            "(call $log (i32.const 3) {text})
             (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) {text})
             (call $text {text})"
        ),
    );
    offers(&mut guest, &all);
    guest
}

/// Adds prompts and resources.
fn offers(guest: &mut Guest, all: &str) {
    let argument = Argument {
        name: "subject".into(),
        title: Some(SCRIPT.into()),
        description: Some(PAYLOADS[1].into()),
        required: true,
    };
    let prompt = Prompt {
        name: "prompt".into(),
        title: Some(SCRIPT.into()),
        description: Some(all.into()),
        arguments: vec![argument],
        ..Prompt::default()
    };
    let result = guest.prompt_result(&PromptResult {
        description: Some(SCRIPT),
        messages: vec![
            (0, Block::Text(all), None),
            (1, Block::Image(SVG.as_bytes(), "image/svg+xml"), None),
        ],
        meta: None,
    });
    guest.prompt(prompt, result);
    let resource = Resource {
        uri: "ui://page".into(),
        name: SCRIPT.into(),
        title: Some(PAYLOADS[1].into()),
        description: Some(all.into()),
        media_type: Some("text/html".into()),
        ..Resource::default()
    };
    let contents = guest.resource_contents(&[
        ResourceContents::Text("ui://page", Some("text/html"), HTML),
        ResourceContents::Text("ui://page/notes", Some("text/markdown"), all),
        ResourceContents::Binary("ui://page/svg", Some("image/svg+xml"), SVG.as_bytes()),
    ]);
    guest.resource(resource, contents);
}

/// A schema with the payload in each of its texts, whose defaults are valid arguments.
fn schema(payload: &str) -> String {
    json!({
        "type": "object",
        "title": payload,
        "properties": {
            payload: { "type": "string", "title": payload, "description": payload, "default": payload },
            "choice": { "enum": [payload, "other"], "default": payload },
            "list": { "type": "array", "description": payload, "items": { "type": "string", "title": payload, "default": payload } },
            "nested": { "type": "object", "properties": { "__proto__": { "type": "string", "default": payload }, "constructor": { "type": "string" } } },
            "variants": { "oneOf": [{ "type": "object", "title": payload, "properties": {} }, { "type": "number", "title": payload }] },
            "date": { "type": "string", "format": payload },
            "json": { "description": payload },
        },
    })
    .to_string()
}
