//! `wasi:logging`: its lines are those of `call.log`.

use crate::support::command::Toolcrib;
use crate::support::guest::component_from_wit;

fn logging(interface: &str, package: &str, repetitions: u32) -> Vec<u8> {
    component_from_wit(
        &format!(
            "package {package} {{
               interface logging {{
                 enum level {{ trace, debug, info, warn, error, critical }}
                 log: func(level: level, context: string, message: string);
               }}
             }}
             world guest {{ import {interface}; export f: func(); }}"
        ),
        &format!(
            r#"(module
              (import "{interface}" "log" (func $log (param i32 i32 i32 i32 i32)))
              (memory (export "memory") 1)
              (data (i32.const 16) "db") (data (i32.const 32) "cannot\1b[31m open")
              (func (export "f") (local $n i32)
                (call $log (i32.const 5) (i32.const 16) (i32.const 2) (i32.const 32) (i32.const 16))
                (loop $again
                  (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 6))
                  (local.set $n (i32.add (local.get $n) (i32.const 1)))
                  (br_if $again (i32.lt_u (local.get $n) (i32.const {repetitions}))))))"#
        ),
    )
}

#[test]
fn lines_go_to_the_log_of_the_call() {
    let toolcrib = Toolcrib::new();
    for (interface, package) in [
        (
            "wasi:logging/logging@0.1.0-draft",
            "wasi:logging@0.1.0-draft",
        ),
        ("wasi:logging/logging", "wasi:logging"),
    ] {
        let path = toolcrib.write("guest", &logging(interface, package, 2_000));
        let output = toolcrib.run(&["call", &path, "f"]);
        assert_eq!(output.status, 0, "{output:?}");
        let lines: Vec<_> = output
            .stderr
            .lines()
            .filter(|line| line.contains("guest log"))
            .collect();
        let first = lines[0];
        assert!(
            first.contains("ERROR") && first.contains("tool.name=\"f\""),
            "{first}"
        );
        assert!(first.contains("db: cannot\\u{1b}[31m open"), "{first}");
        assert!(
            lines[1].contains("INFO") && lines[1].ends_with("guest.line=cannot"),
            "{}",
            lines[1]
        );
        // With the line that says so.
        assert_eq!(lines.len(), 1_001);
        assert!(
            lines[1_000].contains("guest log truncated"),
            "{}",
            lines[1_000]
        );
    }
    let path = toolcrib.write(
        "guest",
        &logging("wasi:logging/logging@0.2.0", "wasi:logging@0.2.0", 1),
    );
    super::assert_refused(
        &toolcrib.run(&["inspect", &path]),
        &["`wasi:logging/logging@0.2.0`"],
    );
}
