//! Limits of one evaluation: work, and depth of the recursion.
//!
//! The schema comes from a guest and the value possibly from a caller, and a running evaluation cannot be interrupted.
//! Every step is charged before it is taken; once a limit is reached, every further step fails.

use serde_json::Value;

/// Maximum depth of the recursion. Values are nested up to 128 levels, each of which takes some steps: a list of
/// optional references takes 4. A step takes at most 1 KiB of stack in a build for development, and the smallest stack
/// on which schemas are evaluated has 2 MiB.
pub(super) const MAX_DEPTH: usize = 640;

/// Bytes of a string that cost as much as one value.
const BYTES_PER_WORK: usize = 16;

/// The limit that an evaluation has reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exceeded {
    Work,
    Depth,
}

/// The rest of the limits of a running evaluation.
pub(super) struct Limits {
    work_left: u64,
    depth: usize,
    exceeded: Option<Exceeded>,
}

impl Limits {
    pub(super) fn new(work: u64) -> Self {
        Self {
            work_left: work,
            depth: 0,
            exceeded: None,
        }
    }

    /// Returns the limit that was reached.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded
    }

    /// Charges for work. Returns `false` once a limit is reached.
    pub(super) fn charge(&mut self, work: u64) -> bool {
        match self.work_left.checked_sub(work) {
            Some(left) => self.work_left = left,
            None => {
                self.work_left = 0;
                self.exceeded.get_or_insert(Exceeded::Work);
            }
        }
        self.exceeded.is_none()
    }

    /// Enters one level of the recursion. Returns `false` once a limit is reached.
    pub(super) fn enter(&mut self) -> bool {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.exceeded.get_or_insert(Exceeded::Depth);
        }
        self.charge(1)
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// Returns the work of reading a string.
pub(super) fn text_work(text: &str) -> u64 {
    (text.len() / BYTES_PER_WORK) as u64
}

/// Returns the work of reading a whole value. The recursion is bounded: the JSON parser rejects nesting deeper than 128
/// levels.
pub(super) fn value_work(value: &Value) -> u64 {
    1 + match value {
        Value::String(text) => text_work(text),
        Value::Array(items) => items.iter().map(value_work).sum(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(key, value)| text_work(key) + value_work(value))
                .sum()
        }
        _ => 0,
    }
}
