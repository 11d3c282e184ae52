//! Defects of a schema, and the locations of its nodes, as JSON Pointers (RFC 6901).

use std::borrow::Cow;

use serde_json::Value;

use super::message::quote;
use super::node::NodeId;

/// The location of a node. A pointer per node would take memory quadratic in the schema.
pub(super) enum Location<'s> {
    Root,
    /// Below another node.
    Below(NodeId, Segment<'s>),
    /// The target of a reference outside the keywords that hold subschemas.
    Reference(&'s str),
}

/// The way from a node to a subschema: a keyword, and a name or an index in it.
#[derive(Clone, Copy)]
pub(super) enum Segment<'s> {
    Keyword(&'static str),
    Member(&'static str, &'s str),
    Item(&'static str, usize),
}

/// A defect of one node.
pub(super) struct Defect {
    /// The location below the node, from the innermost segment to the outermost.
    segments: Vec<String>,
    problem: String,
}

impl Defect {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self {
            segments: Vec::new(),
            problem: problem.into(),
        }
    }

    pub(super) fn wrong_type(value: &Value, expected: &str) -> Self {
        Self::new(format!("{} is not of type {expected}", quote(value)))
    }

    /// Moves the defect below a member or an item.
    pub(super) fn below(mut self, segment: impl Into<String>) -> Self {
        self.segments.push(segment.into());
        self
    }

    /// Formats the defect of a node as the predicate of a sentence.
    pub(super) fn format(self, node: NodeId, locations: &[Location<'_>]) -> String {
        let mut segments: Vec<_> = self.segments.into_iter().map(Cow::Owned).collect();
        let mut start = "";
        let mut node = node;
        loop {
            match &locations[node as usize] {
                Location::Root => break,
                Location::Reference(reference) => {
                    start = reference;
                    break;
                }
                Location::Below(parent, segment) => {
                    let (keyword, inner) = match *segment {
                        Segment::Keyword(keyword) => (keyword, None),
                        Segment::Member(keyword, name) => (keyword, Some(Cow::Borrowed(name))),
                        Segment::Item(keyword, index) => {
                            (keyword, Some(Cow::Owned(index.to_string())))
                        }
                    };
                    segments.extend(inner);
                    segments.push(Cow::Borrowed(keyword));
                    node = *parent;
                }
            }
        }
        let mut pointer = start.to_owned();
        for segment in segments.iter().rev() {
            pointer.push('/');
            pointer.push_str(&escape_segment(segment));
        }
        match pointer.as_str() {
            "" => format!("is not a valid JSON Schema: {}", self.problem),
            _ => format!(
                "is not a valid JSON Schema at `{pointer}`: {}",
                self.problem
            ),
        }
    }
}

/// Escapes a segment of a JSON Pointer.
pub(super) fn escape_segment(segment: &str) -> Cow<'_, str> {
    match segment.contains(['~', '/']) {
        true => Cow::Owned(segment.replace('~', "~0").replace('/', "~1")),
        false => Cow::Borrowed(segment),
    }
}
