//! Prompts, documents and templates that break a rule: each is refused when the component is loaded, in a sentence that names
//! it.

use std::time::Duration;

use super::one_of_each;
use crate::support::guest::{Argument, Document, Family, Guest, Icon, Prompt};
use crate::support::server::{refusal, refusal_with};

/// Refused with one line that has all of `wanted` in it, or taken where there is none.
async fn check(what: &str, change: impl FnOnce(&mut Guest), wanted: &[&str]) {
    let mut guest = Guest::new();
    change(&mut guest);
    let lines = refusal(&guest).await;
    if wanted.is_empty() {
        assert_eq!(lines, [""; 0], "{what}");
        return;
    }
    assert_eq!(lines.len(), 1, "{what}: {lines:?}");
    for wanted in wanted {
        assert!(
            lines[0].contains(wanted),
            "{what}: {:?} lacks {wanted:?}",
            lines[0]
        );
    }
    assert!(
        !lines[0].contains(char::is_control) && lines[0].len() < 2_000,
        "{what}: {lines:?}"
    );
}

async fn check_prompt(what: &str, prompt: Prompt, wanted: &[&str]) {
    check(
        what,
        |guest| {
            guest.prompt(prompt, "unreachable");
        },
        wanted,
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
async fn prompts() {
    for (name, good) in [
        ("A-Z_09", true),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
        ("", false),
        ("a b", false),
        ("a\nb", false),
        ("zażółć", false),
    ] {
        let wanted: &[&str] = if good {
            &[]
        } else {
            &["the prompt name", "`A-Z a-z 0-9 _ -`"]
        };
        check_prompt(name, Prompt::new(name), wanted).await;
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
    let many = |number: usize| Prompt {
        arguments: (0..number)
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
            "no description",
            Prompt {
                description: Some(String::new()),
                ..prompt()
            },
            &[],
        ),
        (
            "icon",
            Prompt {
                icons: icon("http://example.com/i.png"),
                ..prompt()
            },
            &["icon of its prompt `p`", "`https:`"],
        ),
        (
            "meta",
            Prompt {
                meta: Some("[]".into()),
                ..prompt()
            },
            &["meta of its prompt `p`", "not a JSON object"],
        ),
        ("64 arguments", many(64), &[]),
        (
            "65 arguments",
            many(65),
            &["argument list of its prompt `p`", "64"],
        ),
        ("argument", argument(named("Zażółć, of any kind")), &[]),
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
            "argument title",
            argument(Argument {
                title: Some("x".repeat(257)),
                ..named("a")
            }),
            &["argument title of its prompt `p`", "256 bytes"],
        ),
        (
            "argument description",
            argument(Argument {
                description: Some("x".repeat((16 << 10) + 1)),
                ..named("a")
            }),
            &["argument description of its prompt `p`", "16384 bytes"],
        ),
        (
            "argument twice",
            Prompt {
                arguments: vec![named("a\nb"), named("a\nb")],
                ..prompt()
            },
            &["argument list of its prompt `p`", "has `a\\nb` twice"],
        ),
    ];
    for (what, prompt, wanted) in cases {
        check_prompt(what, prompt, wanted).await;
    }
    let twice = |guest: &mut Guest| {
        guest
            .prompt(Prompt::new("p"), "unreachable")
            .prompt(Prompt::new("p"), "unreachable");
    };
    check("twice", twice, &["it defines the prompt `p` twice"]).await;
    let many = |number: u32| {
        move |guest: &mut Guest| {
            for number in 0..number {
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
async fn documents() {
    let absolute = "is not an absolute URI";
    let long = format!("test:{}", "x".repeat(2_048 - 5));
    for (uri, wanted) in [
        ("test://a", &[][..]),
        ("a:b", &[]),
        ("T.e+s-t1:b", &[]),
        ("test://é", &[]),
        (&long, &[]),
        (
            &format!("{long}x"),
            &["the URI of its resource `test:", "2048 bytes"],
        ),
        ("", &["the URI of its resource ``", absolute]),
        ("a", &["the URI of its resource `a`", absolute]),
        ("a:", &[absolute]),
        (":a", &[absolute]),
        ("1a:b", &[absolute]),
        ("a_b:c", &[absolute]),
        ("/path:x", &[absolute]),
        ("test://a b", &[absolute]),
        ("test://a\nb", &["`test://a\\nb`", absolute]),
        ("test://\u{1b}[31m", &[absolute]),
    ] {
        check(
            uri,
            |guest| {
                guest.document(Document::new(uri), "unreachable");
            },
            wanted,
        )
        .await;
    }
    let document = || Document::new("test://d");
    let cases: Vec<(&str, Document, &[&str])> = vec![
        (
            "no name",
            Document {
                name: String::new(),
                ..document()
            },
            &["name of its resource `test://d`", "empty"],
        ),
        (
            "long name",
            Document {
                name: "x".repeat(257),
                ..document()
            },
            &["name of its resource `test://d`", "256 bytes"],
        ),
        (
            "long title",
            Document {
                title: Some("x".repeat(257)),
                ..document()
            },
            &["title of its resource `test://d`", "256 bytes"],
        ),
        (
            "long description",
            Document {
                description: Some("x".repeat((16 << 10) + 1)),
                ..document()
            },
            &["description of its resource `test://d`", "16384 bytes"],
        ),
        (
            "icon",
            Document {
                icons: icon("javascript:alert(1)"),
                ..document()
            },
            &["icon of its resource `test://d`", "`https:`"],
        ),
        (
            "meta",
            Document {
                meta: Some("{".into()),
                ..document()
            },
            &["meta of its resource `test://d`", "not a JSON object"],
        ),
    ];
    for (what, document, wanted) in cases {
        check(
            what,
            |guest| {
                guest.document(document, "unreachable");
            },
            wanted,
        )
        .await;
    }
    let twice = |guest: &mut Guest| {
        guest
            .document(document(), "unreachable")
            .document(document(), "unreachable");
    };
    check(
        "twice",
        twice,
        &["it defines the resource `test://d` twice"],
    )
    .await;
    let many = |number: u32| {
        move |guest: &mut Guest| {
            for number in 0..number {
                guest.document(Document::new(&format!("test:{number}")), "unreachable");
            }
        }
    };
    check(
        "10001 documents",
        many(10_001),
        &["10001 resources", "10000 are allowed"],
    )
    .await;
}

#[tokio::test]
async fn templates() {
    let understood = "`{name}` and `{+name}` are understood";
    for (uri, wanted) in [
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
        ("test://{}", &["URI template", "`{}`", understood]),
        ("test://{+}", &["URI template", "`{+}`", understood]),
        ("test://{a,b}", &["`{a,b}`", understood]),
        ("test://{/a}", &["`{/a}`", understood]),
        ("test://{?a}", &["`{?a}`", understood]),
        ("test://{a:3}", &["`{a:3}`", understood]),
        ("test://{a*}", &["`{a*}`", understood]),
        ("test://{zażółć}", &["`{zażółć}`", understood]),
        ("test://{{a}}", &["`{{a}`", understood]),
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
                guest.family(Family::new(uri), "unreachable");
            },
            wanted,
        )
        .await;
    }
    let family = || Family::new("test://{d}");
    let cases: Vec<(&str, Family, &[&str])> = vec![
        (
            "no name",
            Family {
                name: String::new(),
                ..family()
            },
            &["name of its template `test://{d}`", "empty"],
        ),
        (
            "long title",
            Family {
                title: Some("x".repeat(257)),
                ..family()
            },
            &["title of its template", "256 bytes"],
        ),
        (
            "icon",
            Family {
                icons: icon("file:///etc/passwd"),
                ..family()
            },
            &["icon of its template", "`https:`"],
        ),
        (
            "meta",
            Family {
                meta: Some("7".into()),
                ..family()
            },
            &["meta of its template", "not a JSON object"],
        ),
    ];
    for (what, family, wanted) in cases {
        check(
            what,
            |guest| {
                guest.family(family, "unreachable");
            },
            wanted,
        )
        .await;
    }
    let twice = |guest: &mut Guest| {
        guest
            .family(family(), "unreachable")
            .family(family(), "unreachable");
    };
    check(
        "twice",
        twice,
        &["it defines the template `test://{d}` twice"],
    )
    .await;
    let many = |number: u32| {
        move |guest: &mut Guest| {
            for number in 0..number {
                guest.family(Family::new(&format!("test:{number}{{a}}")), "unreachable");
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

/// A component that completes what it does not have offers nothing.
#[tokio::test]
async fn nothing() {
    let completing = |guest: &mut Guest| {
        guest.completing("unreachable");
    };
    let neither = "nor a function that can be a tool";
    check("completions alone", completing, &[neither]).await;
    let sentence = "it defines no tool, no prompt and no resource";
    check("nothing", |_| {}, &[sentence]).await;
}

/// What describes a component runs in the sandbox, whichever of its interfaces it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptions_that_do_not_come() {
    for function in ["prompts.definitions", "resources", "templates"] {
        for (body, wanted) in [
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
            let lines = refusal_with(&guest, |config| {
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
            assert!(line.contains(wanted), "{line} lacks {wanted}");
            assert!(
                line.contains("guest.wasm") && !line.contains('\n'),
                "{line}"
            );
        }
    }
}
