//! Hostile guests: every one of them is contained, and it costs the others no more than its share.
//!
//! The suite is a list that one can read: `docs/hostile-guests.md` says of each guest what it does and how it ended when this
//! ran. What a single limit is, and that it holds to the byte, stands in `sandbox/`.

mod calls;
mod cancellation;
mod fairness;
mod limits;
mod loads;
mod schemas;
mod servers;
mod table;
mod usage;

use crate::support::guest::{Guest, Tool};

/// Guests of one kind, in one component: a tool for each.
struct Pack {
    title: &'static str,
    /// The component's name.
    name: &'static str,
    bytes: Vec<u8>,
    /// What stands below its `[[component]]`.
    settings: String,
    rows: Vec<(String, &'static str)>,
}

/// A pack in the making.
struct Packing {
    guest: Guest,
    rows: Vec<(String, &'static str)>,
}

impl Packing {
    fn of(guest: Guest) -> Self {
        Self {
            guest,
            rows: Vec::new(),
        }
    }

    fn row(&mut self, name: &str, does: &'static str, body: impl Into<String>) -> &mut Self {
        self.guest.tool(Tool::new(name), body);
        self.rows.push((name.to_owned(), does));
        self
    }

    fn packed(self, title: &'static str, name: &'static str, settings: &str) -> Pack {
        Pack {
            title,
            name,
            bytes: self.guest.component(),
            settings: settings.to_owned(),
            rows: self.rows,
        }
    }
}

/// The imports of guests that wait for time to pass.
const TIMER: &str = r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))"#;
const BLOCK: &str =
    r#"(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;
const POLL: &str = r#"(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#;
/// A body that repeats itself for ever.
fn forever(body: &str) -> String {
    format!("(loop $again {body} (br $again)) (unreachable)")
}

/// A body that repeats itself so many times.
fn times(number: u32, body: &str) -> String {
    format!(
        "(local $n i32)
         (local.set $n (i32.const {number}))
         (loop $again {body}
           (local.set $n (i32.sub (local.get $n) (i32.const 1)))
           (br_if $again (local.get $n)))"
    )
}
