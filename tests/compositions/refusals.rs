//! Components that cannot be composed: each gets one sentence with the way out.

use super::{ADD, ADDER, CONFIGURATION, adder, composed, compute};
use crate::support::command::Toolcrib;
use crate::support::guest::component_from_wit;

/// Runs `inspect` with this configuration; returns standard error.
fn refused(toolcrib: &Toolcrib, configuration: &str, status: i32) -> String {
    toolcrib.file("toolcrib.toml", configuration);
    let output = toolcrib.run(&["inspect", "compute.wasm", "--config", "toolcrib.toml"]);
    assert_eq!(output.status, status, "{configuration}: {output:?}");
    output.stderr
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let of_another_type = component_from_wit(
        "package docs:adder@0.1.0 { interface add { add: func(a: u64, b: u32) -> u32; } }
         world guest { export docs:adder/add@0.1.0; }",
        r#"(module (func (export "docs:adder/add@0.1.0#add") (param i64 i32) (result i32) (i32.const 0)))"#,
    );
    let unrelated = component_from_wit(
        "world guest { export other: func(); }",
        r#"(module (func (export "other")))"#,
    );
    let newer = component_from_wit(
        "package docs:adder@0.1.7 { interface add { add: func(a: u32, b: u32) -> u32; } }
         world guest { export docs:adder/add@0.1.7; }",
        &format!(
            r#"(module (func (export "docs:adder/add@0.1.7#add") (param i32 i32) (result i32) {ADD}))"#
        ),
    );
    let toolcrib = composed(&adder(ADD));
    toolcrib.write("other-type", &of_another_type);
    toolcrib.write("unrelated", &unrelated);
    toolcrib.write("newer", &newer);
    toolcrib.write("second", &adder(ADD));
    toolcrib
        .file("module.wasm", b"\0asm\x01\0\0\0")
        .file("text.wasm", "(component)");
    let with = |parts: &str| format!("[[component]]\nref = \"compute.wasm\"\nwith = [{parts}]\n");
    for (configuration, status, words) in [
        (with("\"adder.wasm\""), 0, &[][..]),
        // A compatible version fits.
        (with("\"newer.wasm\""), 0, &[]),
        (with(""), 1, &["docs:adder/add@0.1.0"]),
        (with("\"gone.wasm\""), 1, &["gone.wasm", "no such file"]),
        (
            with("\"other-type.wasm\""),
            1,
            &[
                "other-type.wasm",
                "`docs:adder/add@0.1.0`",
                "another type",
                "the same WIT",
            ],
        ),
        (
            with("\"adder.wasm\", \"unrelated.wasm\""),
            1,
            &[
                "unrelated.wasm",
                "exports nothing that",
                "`other`",
                "take it out of `with`",
            ],
        ),
        (
            with("\"adder.wasm\", \"second.wasm\""),
            1,
            &[
                "adder.wasm",
                "second.wasm",
                "both export",
                "take one of them out",
            ],
        ),
        (
            with("\"module.wasm\""),
            1,
            &["its part", "module.wasm", "is a core module"],
        ),
        (
            with("\"text.wasm\""),
            1,
            &["its part", "text.wasm", "WebAssembly text"],
        ),
        (
            format!(
                "{CONFIGURATION}with-digests = {{ \"adder.wasm\" = \"sha256:{}\" }}",
                "0".repeat(64)
            ),
            1,
            &[
                "its part",
                "adder.wasm",
                "not the pinned sha256:000",
                "review the file",
            ],
        ),
        (
            format!("{CONFIGURATION}digest = \"sha256:{}\"", "0".repeat(64)),
            1,
            &["its digest is", "not the pinned sha256:000"],
        ),
        // configurations
        (
            with("\"adder.wasm#add\""),
            2,
            &["`component[0].with`", "not one component"],
        ),
        (
            with("\"*.wasm\""),
            2,
            &["`component[0].with`", "not one component"],
        ),
        (
            with("\".\""),
            2,
            &["`component[0].with`", "not one component"],
        ),
        (
            with("\"adder.wasm\", \"adder.wasm\""),
            2,
            &["`component[0].with`", "twice"],
        ),
        (with("\"ftp://x/y\""), 2, &["`component[0].with`", "scheme"]),
        (
            with(
                &(0..17)
                    .map(|n| format!("\"{n}.wasm\","))
                    .collect::<String>(),
            ),
            2,
            &["names 17 components", "16 are the most"],
        ),
        (
            format!("{CONFIGURATION}with-digests = {{ \"add.wasm\" = \"sha256:0\" }}"),
            2,
            &[
                "`component[0].with-digests`",
                "`add.wasm`",
                "`with` does not",
            ],
        ),
        (
            format!("{CONFIGURATION}with-digests = {{ \"adder.wasm\" = \"sha256:0\" }}"),
            2,
            &["`component[0].with-digests`", "64 lower-case"],
        ),
        (
            "[[component]]\nref = \".\"\nwith = [\"adder.wasm\"]".to_owned(),
            2,
            &["are for one", "`with`"],
        ),
    ] {
        let stderr = refused(&toolcrib, &configuration, status);
        for word in words {
            assert!(stderr.contains(word), "{configuration}\n{word}\n{stderr}");
        }
        assert!(stderr.lines().count() <= 1, "{configuration}\n{stderr}");
    }
}

/// Neither parts nor a part and the component itself can need each other.
#[test]
fn circles_are_refused() {
    let wit =
        format!("{ADDER} package docs:other@0.1.0 {{ interface more {{ more: func() -> u32; }} }}");
    let adder = component_from_wit(
        &format!(
            "{wit} world guest {{ import docs:other/more@0.1.0; export docs:adder/add@0.1.0; }}"
        ),
        r#"(module
          (import "docs:other/more@0.1.0" "more" (func $more (result i32)))
          (func (export "docs:adder/add@0.1.0#add") (param i32 i32) (result i32) (call $more)))"#,
    );
    let more = component_from_wit(
        &format!(
            "{wit} world guest {{ import docs:adder/add@0.1.0; export docs:other/more@0.1.0; }}"
        ),
        r#"(module
          (import "docs:adder/add@0.1.0" "add" (func $add (param i32 i32) (result i32)))
          (func (export "docs:other/more@0.1.0#more") (result i32)
            (call $add (i32.const 1) (i32.const 2))))"#,
    );
    let toolcrib = composed(&adder);
    toolcrib.write("more", &more);
    let stderr = refused(
        &toolcrib,
        "[[component]]\nref = \"compute.wasm\"\nwith = [\"adder.wasm\", \"more.wasm\"]",
        1,
    );
    for word in ["adder.wasm", "more.wasm", "in a circle"] {
        assert!(stderr.contains(word), "{stderr}");
    }
    // Alone, the part lacks an import.
    let stderr = refused(&toolcrib, CONFIGURATION, 1);
    assert!(stderr.contains("docs:other/more@0.1.0"), "{stderr}");
}

/// Without `with`, the refusal proposes the line if exactly one component beside it has the export.
#[test]
fn the_refusal_proposes_the_component_beside() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("compute", &compute());
    let line = "with = [\"";
    let refusal = || toolcrib.run(&["inspect", &path]).stderr;
    assert!(!refusal().contains(line), "{}", refusal());
    toolcrib.write("adder", &adder(ADD));
    toolcrib.file("damaged.wasm", b"\0asm\x0d\0\x01\0\xff");
    let proposed = refusal();
    assert!(
        proposed.contains(&format!(
            "{line}{}\"]",
            toolcrib.path().join("adder.wasm").display()
        )),
        "{proposed}"
    );
    assert_eq!(proposed.lines().count(), 1, "{proposed}");
    toolcrib.write("second", &adder(ADD));
    assert!(!refusal().contains(line), "{}", refusal());
}
