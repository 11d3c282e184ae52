//! Invalid prompts, resources and templates. Each is rejected when the component is loaded, with a message that names
//! it.

use std::time::Duration;

use super::one_of_each;
use crate::support::guest::{Argument, Guest, Icon, Prompt, Resource, ResourceTemplate};
use crate::support::server::{load_problems, load_problems_with};

/// Asserts that loading fails with one line that contains all of `expected`, or succeeds if `expected` is empty.
async fn check(case: &str, define: impl FnOnce(&mut Guest), expected: &[&str]) {
    let mut guest = Guest::new();
    define(&mut guest);
    let lines = load_problems(&guest).await;
    if expected.is_empty() {
        assert_eq!(lines, [""; 0], "{case}");
        return;
    }
    assert_eq!(lines.len(), 1, "{case}: {lines:?}");
    for expected in expected {
        assert!(
            lines[0].contains(expected),
            "{case}: {:?} lacks {expected:?}",
            lines[0]
        );
    }
    assert!(
        !lines[0].contains(char::is_control) && lines[0].len() < 2_000,
        "{case}: {lines:?}"
    );
}

async fn check_prompt(case: &str, prompt: Prompt, expected: &[&str]) {
    check(
        case,
        |guest| {
            guest.prompt(prompt, "unreachable");
        },
        expected,
    )
    .await;
}

fn icon(src: &str) -> Vec<Icon> {
    vec![Icon {
        src: src.into(),
        media_type: None,
        sizes: Vec::new(),
    }]
}

#[tokio::test]
async fn invalid_prompts_are_rejected() {
    for (name, is_valid) in [
        ("A-Z_09", true),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
        ("", false),
        ("a b", false),
        ("a\nb", false),
        ("zażółć", false),
    ] {
        let expected: &[&str] = if is_valid {
            &[]
        } else {
            &["the prompt name", "`A-Z a-z 0-9 _ -`"]
        };
        check_prompt(name, Prompt::new(name), expected).await;
    }
    let prompt = || Prompt::new("p");
    let argument = |argument: Argument| Prompt {
        arguments: vec![argument],
        ..prompt()
    };
    let named = |name: &str| Argument {
        name: name.into(),
        ..Argument::default()
    };
    let with_arguments = |count: usize| Prompt {
        arguments: (0..count)
            .map(|number| named(&number.to_string()))
            .collect(),
        ..prompt()
    };
    let cases: Vec<(&str, Prompt, &[&str])> = vec![
        (
            "title",
            Prompt {
                title: Some("x".repeat(256)),
                ..prompt()
            },
            &[],
        ),
        (
            "long title",
            Prompt {
                title: Some("x".repeat(257)),
                ..prompt()
            },
            &["title of its prompt `p`", "256 bytes"],
        ),
        (
            "long description",
            Prompt {
                description: Some("x".repeat((16 << 10) + 1)),
                ..prompt()
            },
            &["description of its prompt `p`", "16384 bytes"],
        ),
        (
            "empty description",
            Prompt {
                description: Some(String::new()),
                ..prompt()
            },
            &[],
        ),
        (
            "icon with a forbidden scheme",
            Prompt {
                icons: icon("http://example.com/i.png"),
                ..prompt()
            },
            &["icon of its prompt `p`", "`https:`"],
        ),
        (
            "invalid meta",
            Prompt {
                meta: Some("[]".into()),
                ..prompt()
            },
            &["meta of its prompt `p`", "not a JSON object"],
        ),
        ("64 arguments", with_arguments(64), &[]),
        (
            "65 arguments",
            with_arguments(65),
            &["argument list of its prompt `p`", "64"],
        ),
        (
            "argument name with any characters",
            argument(named("Zażółć, of any kind")),
            &[],
        ),
        (
            "argument without a name",
            argument(named("")),
            &["argument name of its prompt `p`", "empty"],
        ),
        (
            "long argument",
            argument(named(&"x".repeat(257))),
            &["argument name of its prompt `p`", "256 bytes"],
        ),
        (
            "long argument title",
            argument(Argument {
                title: Some("x".repeat(257)),
                ..named("a")
            }),
            &["argument title of its prompt `p`", "256 bytes"],
        ),
        (
            "long argument description",
            argument(Argument {
                description: Some("x".repeat((16 << 10) + 1)),
                ..named("a")
            }),
            &["argument description of its prompt `p`", "16384 bytes"],
        ),
        (
            "duplicate argument",
            Prompt {
                arguments: vec![named("a\nb"), named("a\nb")],
                ..prompt()
            },
            &["argument list of its prompt `p`", "has `a\\nb` twice"],
        ),
    ];
    for (case, prompt, expected) in cases {
        check_prompt(case, prompt, expected).await;
    }
    let duplicate = |guest: &mut Guest| {
        guest
            .prompt(Prompt::new("p"), "unreachable")
            .prompt(Prompt::new("p"), "unreachable");
    };
    check("duplicate", duplicate, &["it defines the prompt `p` twice"]).await;
    let many = |count: u32| {
        move |guest: &mut Guest| {
            for number in 0..count {
                guest.prompt(Prompt::new(&format!("p{number}")), "unreachable");
            }
        }
    };
    check("1000 prompts", many(1_000), &[]).await;
    check(
        "1001 prompts",
        many(1_001),
        &["1001 prompts", "1000 are allowed"],
    )
    .await;
}

#[tokio::test]
async fn invalid_resources_are_rejected() {
    let not_absolute = "is not an absolute URI";
    let long = format!("test:{}", "x".repeat(2_048 - 5));
    for (uri, expected) in [
        ("test://a", &[][..]),
        ("a:b", &[]),
        ("T.e+s-t1:b", &[]),
        ("test://é", &[]),
        (&long, &[]),
        (
            &format!("{long}x"),
            &["the URI of its resource `test:", "2048 bytes"],
        ),
        ("", &["the URI of its resource ``", not_absolute]),
        ("a", &["the URI of its resource `a`", not_absolute]),
        ("a:", &[not_absolute]),
        (":a", &[not_absolute]),
        ("1a:b", &[not_absolute]),
        ("a_b:c", &[not_absolute]),
        ("/path:x", &[not_absolute]),
        ("test://a b", &[not_absolute]),
        ("test://a\nb", &["`test://a\\nb`", not_absolute]),
        ("test://\u{1b}[31m", &[not_absolute]),
    ] {
        check(
            uri,
            |guest| {
                guest.resource(Resource::new(uri), "unreachable");
            },
            expected,
        )
        .await;
    }
    let resource = || Resource::new("test://d");
    let cases: Vec<(&str, Resource, &[&str])> = vec![
        (
            "empty name",
            Resource {
                name: String::new(),
                ..resource()
            },
            &["name of its resource `test://d`", "empty"],
        ),
        (
            "long name",
            Resource {
                name: "x".repeat(257),
                ..resource()
            },
            &["name of its resource `test://d`", "256 bytes"],
        ),
        (
            "long title",
            Resource {
                title: Some("x".repeat(257)),
                ..resource()
            },
            &["title of its resource `test://d`", "256 bytes"],
        ),
        (
            "long description",
            Resource {
                description: Some("x".repeat((16 << 10) + 1)),
                ..resource()
            },
            &["description of its resource `test://d`", "16384 bytes"],
        ),
        (
            "icon with a forbidden scheme",
            Resource {
                icons: icon("javascript:alert(1)"),
                ..resource()
            },
            &["icon of its resource `test://d`", "`https:`"],
        ),
        (
            "invalid meta",
            Resource {
                meta: Some("{".into()),
                ..resource()
            },
            &["meta of its resource `test://d`", "not a JSON object"],
        ),
    ];
    for (case, resource, expected) in cases {
        check(
            case,
            |guest| {
                guest.resource(resource, "unreachable");
            },
            expected,
        )
        .await;
    }
    let duplicate = |guest: &mut Guest| {
        guest
            .resource(resource(), "unreachable")
            .resource(resource(), "unreachable");
    };
    check(
        "duplicate",
        duplicate,
        &["it defines the resource `test://d` twice"],
    )
    .await;
    let many = |count: u32| {
        move |guest: &mut Guest| {
            for number in 0..count {
                guest.resource(Resource::new(&format!("test:{number}")), "unreachable");
            }
        }
    };
    check(
        "10001 resources",
        many(10_001),
        &["10001 resources", "10000 are allowed"],
    )
    .await;
}

#[tokio::test]
async fn invalid_templates_are_rejected() {
    let supported = "`{name}` and `{+name}` are understood";
    for (uri, expected) in [
        ("test://{a}", &[][..]),
        ("test:{+a_1}", &[]),
        (&format!("test:{}", "{a}".repeat(16)), &[]),
        (
            &format!("test:{}", "{a}".repeat(17)),
            &["URI template", "more than 16 expressions"],
        ),
        (
            "test://a",
            &["URI template of its template `test://a`", "no expression"],
        ),
        ("test://{}", &["URI template", "`{}`", supported]),
        ("test://{+}", &["URI template", "`{+}`", supported]),
        ("test://{a,b}", &["`{a,b}`", supported]),
        ("test://{/a}", &["`{/a}`", supported]),
        ("test://{?a}", &["`{?a}`", supported]),
        ("test://{a:3}", &["`{a:3}`", supported]),
        ("test://{a*}", &["`{a*}`", supported]),
        ("test://{zażółć}", &["`{zażółć}`", supported]),
        ("test://{{a}}", &["`{{a}`", supported]),
        ("test://{a", &["`{` without its `}`"]),
        ("test://{a}/{", &["`{` without its `}`"]),
        ("test://{a}}", &["`}` without its `{`"]),
        ("test://}{a}", &["`}` without its `{`"]),
        (
            "{a}",
            &["the URI of its template `{a}`", "is not an absolute URI"],
        ),
        ("{a}://b", &["is not an absolute URI"]),
    ] {
        check(
            uri,
            |guest| {
                guest.resource_template(ResourceTemplate::new(uri), "unreachable");
            },
            expected,
        )
        .await;
    }
    let template = || ResourceTemplate::new("test://{d}");
    let cases: Vec<(&str, ResourceTemplate, &[&str])> = vec![
        (
            "empty name",
            ResourceTemplate {
                name: String::new(),
                ..template()
            },
            &["name of its template `test://{d}`", "empty"],
        ),
        (
            "long title",
            ResourceTemplate {
                title: Some("x".repeat(257)),
                ..template()
            },
            &["title of its template", "256 bytes"],
        ),
        (
            "icon with a forbidden scheme",
            ResourceTemplate {
                icons: icon("file:///etc/passwd"),
                ..template()
            },
            &["icon of its template", "`https:`"],
        ),
        (
            "invalid meta",
            ResourceTemplate {
                meta: Some("7".into()),
                ..template()
            },
            &["meta of its template", "not a JSON object"],
        ),
    ];
    for (case, template, expected) in cases {
        check(
            case,
            |guest| {
                guest.resource_template(template, "unreachable");
            },
            expected,
        )
        .await;
    }
    let duplicate = |guest: &mut Guest| {
        guest
            .resource_template(template(), "unreachable")
            .resource_template(template(), "unreachable");
    };
    check(
        "duplicate",
        duplicate,
        &["it defines the template `test://{d}` twice"],
    )
    .await;
    let many = |count: u32| {
        move |guest: &mut Guest| {
            for number in 0..count {
                guest.resource_template(
                    ResourceTemplate::new(&format!("test:{number}{{a}}")),
                    "unreachable",
                );
            }
        }
    };
    check("100 templates", many(100), &[]).await;
    check(
        "101 templates",
        many(101),
        &["101 templates", "100 are allowed"],
    )
    .await;
}

#[tokio::test]
async fn a_component_without_tools_prompts_and_resources_is_rejected() {
    let completing = |guest: &mut Guest| {
        guest.completions("unreachable");
    };
    let none = "it exports no function that can be a tool";
    check("only completions", completing, &[none]).await;
    let message = "it defines no tool, no prompt and no resource";
    check("nothing", |_| {}, &[message]).await;
}

/// The exported functions that return definitions run in the sandbox, within its limits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_crash_or_exceed_limits_are_rejected() {
    for function in ["prompts.definitions", "resources", "templates"] {
        for (body, reason) in [
            ("(drop (call $spin))", "limit of 300ms"),
            ("unreachable", "unreachable"),
            ("(return (i32.const -8))", "out of bounds"),
            (
                "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))",
                "memory",
            ),
        ] {
            let mut guest = one_of_each();
            guest.before(function, body);
            let lines = load_problems_with(&guest, |config| {
                config.limits.cpu = Duration::from_millis(300);
                config.limits.memory_bytes = 8 << 20;
            })
            .await;
            let [line] = &lines[..] else {
                panic!("{function}: {lines:?}");
            };
            assert!(
                line.contains(&format!("its `{function}` failed: ")),
                "{line}"
            );
            assert!(line.contains(reason), "{line} lacks {reason}");
            assert!(
                line.contains("guest.wasm") && !line.contains('\n'),
                "{line}"
            );
        }
    }
}
