//! Invalid overrides of tools in `[[component]]`, and references that select one tool.

use serde_json::json;

use super::{FAILED, USAGE, check};
use crate::support::command::{Ended, Toolcrib};
use crate::support::guest::{Guest, Prompt, Tool};

fn guest() -> Guest {
    let plain = json!({
        "type": "object",
        "properties": { "city": { "type": "string" }, "days": { "type": "integer", "maximum": 7 } },
        "required": ["city"],
    });
    let repeated = json!({
        "type": "object",
        "properties": { "a": {}, "b": {}, "c": {}, "d": { "$ref": "#/properties/c" } },
        "anyOf": [{ "required": ["a"] }, { "properties": { "b": { "const": 1 } } }],
    });
    let many = json!({ "type": "object", "properties": { "a": {} }, "minProperties": 1 });
    let tree = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "next": { "$ref": "#" } },
    });
    let nested = json!({
        "type": "object", "properties": { "a": {} }, "allOf": [{ "not": { "minProperties": 1 } }],
    });
    let mut guest = Guest::new();
    guest
        .tool(Tool::new("nested").taking(nested), "unreachable")
        .tool(Tool::new("plain").taking(plain), "unreachable")
        .tool(Tool::new("again").taking(repeated), "unreachable")
        .tool(Tool::new("many").taking(many), "unreachable")
        .tool(Tool::new("tree").taking(tree), "unreachable")
        .tool(Tool::new("open"), "unreachable");
    guest
}

#[test]
fn invalid_overrides_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    let long = format!("[component.tool.plain]\ntitle = \"{}\"", "x".repeat(257));
    let longer = format!(
        "[component.tool.plain]\ndescription = \"{}\"",
        "x".repeat((16 << 10) + 1)
    );
    let deep = format!(
        "[component.tool.again]\ndefaults = {{ c = {}1{} }}",
        "[".repeat(70),
        "]".repeat(70)
    );
    const ALL_TOOLS: &str = "it has `again`, `many`, `nested`, `open`, `plain`, `tree`";
    let cases: Vec<(&str, &[&str])> = vec![
        // selection of tools
        (
            "tools = [\"plan\"]",
            &["`guest` has no tool `plan`, which `tools` names", ALL_TOOLS],
        ),
        (
            "exclude = [\"Plain\"]",
            &[
                "`guest` has no tool `Plain`, which `exclude` names",
                ALL_TOOLS,
            ],
        ),
        (
            "[component.tool.plan]\nenabled = false",
            &[
                "`guest` has no tool `plan`, which [component.tool.plan] names",
                ALL_TOOLS,
            ],
        ),
        // Settings use the names in the component, without `prefix` and `rename`.
        (
            "prefix = \"x_\"\ntools = [\"x_plain\"]",
            &["no tool `x_plain`", ALL_TOOLS],
        ),
        (
            "tools = [\"p\"]\n[component.tool.plain]\nrename = \"p\"",
            &["no tool `p`", ALL_TOOLS],
        ),
        ("tools = []", &["`guest`", "`tools`", "leave nothing"]),
        (
            "exclude = [\"again\", \"many\", \"nested\", \"open\", \"plain\", \"tree\"]",
            &["`guest`", "`exclude`", "leave nothing"],
        ),
        (
            "tools = [\"plain\"]\n[component.tool.plain]\nenabled = false",
            &["`guest`", "`enabled`", "leave nothing"],
        ),
        (
            "tools = [\"plain\", \"open\"]\nexclude = [\"open\"]",
            &["c.toml:4", "exclude", "names `open`, and so does `tools`"],
        ),
        ("tools = \"plain\"", &["c.toml:3", "a list of strings"]),
        ("exclude = [1]", &["c.toml:3", "a list of strings"]),
        // names and texts
        (
            "[component.tool.plain]\nrename = \"a.b\"",
            &["c.toml:4", "rename", "`A-Z a-z 0-9 _ -`", "not \"a.b\""],
        ),
        ("[component.tool.plain]\nrename = \"\"", &["rename"]),
        (
            "[component.tool.plain]\nrename = \"open\"",
            &[
                "`guest`",
                "`open` and `plain`",
                "called `open`",
                "another `rename`",
            ],
        ),
        (
            "[component.tool.plain]\ntitle = 5",
            &["c.toml:4", "title", "a string"],
        ),
        (&long, &["c.toml:4", "title", "longer than 256 bytes"]),
        (
            "[component.tool.plain]\ndescription = \" \"",
            &["c.toml:4", "description", "is empty"],
        ),
        (
            &longer,
            &["c.toml:4", "description", "longer than 16384 bytes"],
        ),
        (
            "[component.tool.plain]\nenabled = \"no\"",
            &["c.toml:4", "enabled", "true or false"],
        ),
        (
            "[component.tool.plain]\ndefault = { days = 1 }",
            &["c.toml:4", "default", "did you mean `defaults`?"],
        ),
        // values
        (
            "[component.tool.plain]\ndefaults = [1]",
            &["c.toml:4", "defaults", "a table"],
        ),
        (
            "[component.tool.plain.defaults]\ndays = 1\ncity = 1979-05-27",
            &[
                "c.toml:5",
                "plain.defaults.city",
                "a date or time",
                "string",
            ],
        ),
        (
            "[component.tool.plain]\ndefaults = { city = [{ at = 07:32:00 }] }",
            &["c.toml:4", "plain.defaults.city", "a date or time"],
        ),
        (
            "[component.tool.plain]\ndefaults = { days = nan }",
            &["plain.defaults.days", "not finite"],
        ),
        (
            "[component.tool.plain]\ndefaults = { days = -inf }",
            &["plain.defaults.days", "not finite"],
        ),
        (
            "[component.tool.plain]\ndefaults = { days = 18446744073709551616 }",
            &["plain.defaults.days", "64 bits"],
        ),
        // arguments
        (
            "[component.tool.plain]\ndefaults = { citi = \"Oslo\" }",
            &["[component.tool.plain]", "`citi`", "it has `city`, `days`"],
        ),
        (
            "[component.tool.plain]\nhide = [\"day\"]",
            &["[component.tool.plain]", "`day`", "it has `city`, `days`"],
        ),
        (
            "[component.tool.open]\ndefaults = { x = 1 }",
            &["[component.tool.open]", "`x`", "it has none"],
        ),
        (
            "[component.tool.plain]\nhide = \"days\"",
            &["c.toml:4", "a list of strings"],
        ),
        (
            "[component.tool.plain]\nhide = [\"city\"]",
            &[
                "[component.tool.plain] hides `city`",
                "requires",
                "`defaults`",
            ],
        ),
        (
            "[component.tool.plain]\ndefaults = { days = \"1\" }",
            &["[component.tool.plain]", "default", "`/days`", "integer"],
        ),
        (
            "[component.tool.plain]\nhide = [\"days\"]\ndefaults = { days = 8 }",
            &["[component.tool.plain]", "default", "`/days`", "8"],
        ),
        (&deep, &["[component.tool.again]", "levels deep"]),
        // schemas that refer to an argument in several places
        (
            "[component.tool.again]\ndefaults = { a = 1 }",
            &["[component.tool.again]", "`a`", "`anyOf`"],
        ),
        (
            "[component.tool.again]\nhide = [\"b\"]",
            &["`b`", "`anyOf`"],
        ),
        ("[component.tool.again]\nhide = [\"c\"]", &["`c`", "`$ref`"]),
        (
            "[component.tool.many]\nhide = [\"a\"]",
            &["`a`", "`minProperties`"],
        ),
        (
            "[component.tool.nested]\nhide = [\"a\"]",
            &["`a`", "`allOf`"],
        ),
        (
            "[component.tool.tree]\nhide = [\"name\"]",
            &["`name`", "`$ref`"],
        ),
    ];
    for (settings, words) in cases {
        let text = format!("[[component]]\nref = \"guest.wasm\"\n{settings}\n");
        toolcrib.file("c.toml", &text);
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        check(settings, &output, USAGE, &[words]);
    }

    // All errors of all tools are reported at once.
    let text = "[[component]]\nref = \"guest.wasm\"\nexclude = [\"x\"]\n[component.tool.plain]\nhide = [\"city\", \"x\"]\n\
                defaults = { days = 9 }\n[component.tool.many]\nhide = [\"a\"]\n";
    toolcrib.file("c.toml", text);
    let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
    let errors: &[&[&str]] = &[
        &["`exclude`"],
        &["[component.tool.many]", "`minProperties`"],
        &["[component.tool.plain]", "hides `city`"],
        &["[component.tool.plain]", "`x`"],
        &["[component.tool.plain]", "`/days`"],
    ];
    check("all at once", &output, USAGE, errors);
}

#[test]
fn duplicate_and_overlong_resulting_names_are_rejected() {
    let toolcrib = Toolcrib::new();
    for name in ["first", "second"] {
        toolcrib.write(name, &Guest::saying(name, name).component());
    }
    let long = "p".repeat(60);
    for (settings, words) in [
        (
            "[component.tool.second]\nrename = \"first\"",
            &[
                "`first` is in both `first` and `second`",
                "`prefix`",
                "`rename`",
            ][..],
        ),
        (
            &format!("prefix = \"{long}\"\n[component.tool.second]\nrename = \"longer\""),
            &[&format!("{long}longer"), "another prefix or `rename`"],
        ),
    ] {
        let text = format!(
            "components = [\"first.wasm\"]\n[[component]]\nref = \"second.wasm\"\n{settings}\n"
        );
        toolcrib.file("c.toml", &text);
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        check(settings, &output, FAILED, &[words]);
    }
    // These settings are for one component but the reference matches two.
    for settings in [
        "tools = [\"first\"]",
        "exclude = [\"first\"]",
        "[component.tool.first]\ntitle = \"x\"",
    ] {
        let text = format!("[[component]]\nref = \"*.wasm\"\n{settings}\n");
        toolcrib.file("c.toml", &text);
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        check(
            settings,
            &output,
            USAGE,
            &[&["`*.wasm` names 2", "for one"]],
        );
    }
}

/// `#tool` must follow a file that has the tool, and each file must be selected by one reference.
#[test]
fn invalid_tool_selections_are_rejected() {
    let toolcrib = Toolcrib::new();
    for name in ["first", "second"] {
        toolcrib.write(name, &Guest::saying(name, name).component());
    }
    let two = |first: &str, second: &str| {
        format!("[[component]]\nref = \"{first}\"\n[[component]]\nref = \"{second}\"\n")
    };
    // Selecting a tool excludes the prompts and resources of its component.
    let mut offering = Guest::saying("third", "third");
    offering.prompt(Prompt::new("ask"), "unreachable");
    toolcrib.write("offering", &offering.component());
    let (two_tools, glob_and_tool) = (
        two("first.wasm#first", "first.wasm#other"),
        two("*.wasm", "first.wasm#first"),
    );
    let (same_file, overlapping_globs) = (
        two("first.wasm", "./first.wasm"),
        two("first*.wasm", "*.wasm"),
    );
    for (text, status, words) in [
        (
            "components = [\"first.wasm#nothing\"]",
            USAGE,
            &[
                "`first` has no tool `nothing`",
                "the reference",
                "it has `first`",
            ][..],
        ),
        (
            "components = [\"*.wasm#first\"]",
            FAILED,
            &["`*.wasm#first` names 3 components", "name its file"],
        ),
        (
            "components = [\"third.wasm#first\"]",
            FAILED,
            &["`third.wasm#first`", "no such file"],
        ),
        (
            "components = [\"#first\"]",
            FAILED,
            &["`#first`", "no such file"],
        ),
        (
            "[[component]]\nref = \"first.wasm#first\"\nexclude = [\"first\"]",
            USAGE,
            &["`first`", "leave nothing"],
        ),
        (
            "[[component]]\nref = \"offering.wasm#third\"\nexclude = [\"third\"]",
            USAGE,
            &["`offering`", "leave nothing"],
        ),
        (
            &two_tools,
            USAGE,
            &[
                "`first.wasm#first` and `first.wasm#other`",
                "one file",
                "`tools`",
            ],
        ),
        (
            &glob_and_tool,
            USAGE,
            &["`*.wasm` and `first.wasm#first`", "one file"],
        ),
        (
            &same_file,
            USAGE,
            &["`first.wasm` and `./first.wasm`", "one file"],
        ),
        (
            &overlapping_globs,
            USAGE,
            &["`first*.wasm` and `*.wasm`", "one file"],
        ),
    ] {
        toolcrib.file("c.toml", text);
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        // Some cases also report errors of the tools, after the expected line.
        let stderr = output.stderr.lines().take(1).map(String::from).collect();
        check(text, &Ended { stderr, ..output }, status, &[words]);
    }
}
