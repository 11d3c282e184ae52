//! Validation of tool definitions when a component is loaded. Each violation is one line that names the tool.

use std::time::{Duration, Instant};

use crate::support::guest::{Guest, Icon, Tool};
use crate::support::server::{refusal, refusal_with};

/// Asserts that a component with this tool is rejected with one line that contains all of `expected`, or is accepted if
/// `expected` is empty.
pub(super) async fn check(case: &str, tool: Tool, expected: &[&str]) {
    let lines = refusal(&Guest::with(tool, "unreachable")).await;
    if expected.is_empty() {
        assert_eq!(lines, [""; 0], "{case}");
        return;
    }
    assert_eq!(lines.len(), 1, "{case}: {lines:?}");
    for part in expected {
        assert!(
            lines[0].contains(part),
            "{case}: {:?} lacks {part:?}",
            lines[0]
        );
    }
    assert!(
        !lines[0].contains('\n') && lines[0].len() < 2_000,
        "{case}: {lines:?}"
    );
}

#[tokio::test]
async fn tool_names_are_restricted() {
    for (name, is_valid) in [
        ("a", true),
        ("A-Z_09", true),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
        ("", false),
        ("a.b", false),
        ("a b", false),
        ("a/b", false),
        ("zażółć", false),
        ("a\nb", false),
        ("a\0", false),
    ] {
        let expected: &[&str] = if is_valid {
            &[]
        } else {
            &["`A-Z a-z 0-9 _ -`"]
        };
        check(name, Tool::new(name), expected).await;
    }
}

#[tokio::test]
async fn texts_icons_and_meta_are_limited() {
    let tool = || Tool::new("t");
    let icon = |src: &str| Tool {
        icons: vec![Icon {
            src: src.into(),
            media_type: None,
            sizes: Vec::new(),
        }],
        ..tool()
    };
    let icons = |count: usize| Tool {
        icons: vec![icon("data:,x").icons[0].clone(); count],
        ..tool()
    };
    let titled = |title: String| Tool {
        title: Some(title),
        ..tool()
    };
    let meta = |meta: &str| Tool {
        meta: Some(meta.into()),
        ..tool()
    };
    let cases: Vec<(&str, Tool, &[&str])> = vec![
        ("description", tool().described(&"x".repeat(16 << 10)), &[]),
        (
            "empty description",
            tool().described(""),
            &["description", "`t`", "empty"],
        ),
        (
            "blank description",
            tool().described(" \n\t"),
            &["description", "`t`", "empty"],
        ),
        (
            "long description",
            tool().described(&"x".repeat((16 << 10) + 1)),
            &["description", "`t`", "16384 bytes"],
        ),
        ("title", titled("x".repeat(256)), &[]),
        (
            "long title",
            titled("x".repeat(257)),
            &["title", "`t`", "256 bytes"],
        ),
        ("16 icons", icons(16), &[]),
        ("17 icons", icons(17), &["icon", "`t`", "16"]),
        ("https icon", icon("https://example.com/i.png"), &[]),
        (
            "http icon",
            icon("http://example.com/i.png"),
            &["icon", "`t`", "`https:`"],
        ),
        (
            "javascript icon",
            icon("javascript:alert(1)"),
            &["icon", "`t`", "`https:`"],
        ),
        (
            "long icon",
            icon(&format!("data:,{}", "x".repeat(64 << 10))),
            &["icon", "`t`", "65536 bytes"],
        ),
        ("meta", meta("{}"), &[]),
        (
            "meta is a list",
            meta("[]"),
            &["meta", "`t`", "not a JSON object"],
        ),
        (
            "meta is not JSON",
            meta("{"),
            &["meta", "`t`", "not a JSON object"],
        ),
        (
            "long meta",
            meta(&format!("{{\"a\":\"{}\"}}", "x".repeat(64 << 10))),
            &["meta", "`t`", "65536 bytes"],
        ),
    ];
    for (case, tool, expected) in cases {
        check(case, tool, expected).await;
    }
}

#[tokio::test]
async fn a_component_defines_1_to_1000_tools() {
    let with_tools = |count: usize| {
        let mut guest = Guest::new();
        for index in 0..count {
            guest.tool(Tool::new(&format!("t{index}")), "unreachable");
        }
        guest
    };
    for (count, expected) in [
        (0, vec!["`it defines no tool`"]),
        (1, vec![]),
        (1000, vec![]),
        (1001, vec!["it defines 1001 tools; 1000 are allowed"]),
    ] {
        let lines = refusal(&with_tools(count)).await;
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for part in expected {
            assert!(lines[0].contains(part.trim_matches('`')), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn all_violations_are_reported_together() {
    let mut guest = Guest::new();
    guest
        .tool(Tool::new("good"), "unreachable")
        .tool(Tool::new("bad name"), "unreachable")
        .tool(Tool::new("twice"), "unreachable")
        .tool(Tool::new("twice"), "unreachable")
        .tool(
            Tool::new("worse").described("").taking("[]").giving("["),
            "unreachable",
        );
    let lines = refusal(&guest).await;
    for expected in [
        "\"bad name\"",
        "`twice` twice",
        "the description of its tool `worse`",
        "the input schema of its tool `worse`",
        "the output schema of its tool `worse`",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{expected}: {lines:?}"
        );
    }
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("guest.wasm")),
        "{lines:?}"
    );
}

/// A `definitions` function that loops, crashes or returns a malformed list fails within the limits of a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_definitions_do_not_block_startup() {
    let loops_in_start_function = |guest: &mut Guest| {
        guest.item("(func $begin (drop (call $spin))) (start $begin)");
    };
    let traps_in_start_function = |guest: &mut Guest| {
        guest.item("(func $begin unreachable) (start $begin)");
    };
    type Change<'a> = &'a dyn Fn(&mut Guest);
    let cases: [(&str, Change<'_>, &str); 8] = [
        (
            "loops",
            &|g: &mut Guest| {
                g.before_definitions("(drop (call $spin))");
            },
            "limit of 300ms",
        ),
        (
            "loops in the start function",
            &loops_in_start_function,
            "limit of 300ms",
        ),
        (
            "traps",
            &|g: &mut Guest| {
                g.before_definitions("unreachable");
            },
            "unreachable",
        ),
        (
            "traps in the start function",
            &traps_in_start_function,
            "unreachable",
        ),
        (
            "returns an address outside its memory",
            &|g: &mut Guest| {
                g.before_definitions("(return (i32.const -8))");
            },
            "definitions",
        ),
        (
            "returns a list of 2^32 - 1 items",
            &|g: &mut Guest| {
                g.before_definitions("(i32.store (i32.const 256) (i32.const 1024)) (i32.store (i32.const 260) (i32.const -1)) (return (i32.const 256))");
            },
            "definitions",
        ),
        (
            "returns invalid UTF-8",
            &|g: &mut Guest| {
                g.before_definitions("(i64.store (i32.const 1024) (i64.const -1)) (i32.store (i32.const 264) (i32.const 1024)) (i32.store (i32.const 268) (i32.const 8)) (i32.store (i32.const 256) (i32.const 264)) (i32.store (i32.const 260) (i32.const 1)) (return (i32.const 256))");
            },
            "definitions",
        ),
        (
            "uses all memory",
            &|g: &mut Guest| {
                g.before_definitions("(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))");
            },
            "memory",
        ),
    ];
    for (case, change, expected) in cases {
        let mut guest = Guest::saying("hello", "hello");
        change(&mut guest);
        let started = Instant::now();
        let lines = refusal_with(&guest, |config| {
            config.limits.cpu = Duration::from_millis(300);
            config.limits.memory_bytes = 8 << 20;
        })
        .await;
        assert!(
            lines.len() == 1 && lines[0].contains(expected),
            "{case}: {lines:?}"
        );
        assert!(
            lines[0].contains("guest.wasm") && !lines[0].contains('\n'),
            "{case}: {lines:?}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{case}: {:?}",
            started.elapsed()
        );
    }
}
