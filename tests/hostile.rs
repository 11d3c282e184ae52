//! Hostile guests: the host contains each of them, and they do not slow down or fail other calls.
//!
//! `docs/hostile-guests.md` is generated from `table.rs` and lists each guest, its behaviour and its outcome. The tests
//! of `sandbox/` cover the single limits and grants.

mod asynchronous;
mod calls;
mod cancellation;
mod deep;
mod fairness;
mod limits;
mod loads;
mod patterns;
mod related_tests;
mod resource_usage;
mod schemas;
mod table;
mod upstreams;

use crate::support::guest::{Guest, Tool};

/// One component whose tools are hostile guests of one kind.
struct HostileComponent {
    /// The heading in the generated page.
    title: &'static str,
    name: &'static str,
    bytes: Vec<u8>,
    /// The lines of its `[[component]]` after `ref`.
    settings: String,
    /// The name and the behaviour of each tool.
    tools: Vec<(String, &'static str)>,
}

struct HostileComponentBuilder {
    guest: Guest,
    tools: Vec<(String, &'static str)>,
}

impl HostileComponentBuilder {
    fn new(guest: Guest) -> Self {
        Self {
            guest,
            tools: Vec::new(),
        }
    }

    fn tool(&mut self, name: &str, behaviour: &'static str, body: impl Into<String>) -> &mut Self {
        self.guest.tool(Tool::new(name), body);
        self.tools.push((name.to_owned(), behaviour));
        self
    }

    fn build(self, title: &'static str, name: &'static str, settings: &str) -> HostileComponent {
        HostileComponent {
            title,
            name,
            bytes: self.guest.component(),
            settings: settings.to_owned(),
            tools: self.tools,
        }
    }
}

pub(crate) const TIMER: &str = r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))"#;
pub(crate) const BLOCK: &str =
    r#"(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;
const POLL: &str = r#"(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#;

/// Code that repeats `body` forever.
pub(crate) fn repeat_forever(body: &str) -> String {
    format!("(loop $again {body} (br $again)) (unreachable)")
}

/// Code that repeats `body` this many times. It declares a local, so it must be at the start of a function.
fn repeat(count: u32, body: &str) -> String {
    format!(
        "(local $n i32)
         (local.set $n (i32.const {count}))
         (loop $again {body}
           (local.set $n (i32.sub (local.get $n) (i32.const 1)))
           (br_if $again (local.get $n)))"
    )
}
