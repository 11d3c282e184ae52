//! A parsed schema: a flat arena of nodes. References are indices, so neither parsing nor dropping a schema recurses.

use std::collections::HashMap;

use serde_json::{Number, Value};

use super::pattern::Pattern;

/// The index of a node in its [`Document`].
pub(super) type NodeId = u32;
/// The index of a schema resource: the document, or a subschema with its own `$id`.
pub(super) type ResourceId = u32;

/// A schema with everything that its root leads to. The root is the first node.
#[derive(Default)]
pub(super) struct Document {
    pub(super) nodes: Vec<Node>,
    pub(super) patterns: Vec<Pattern>,
    /// The subschemas with a `$dynamicAnchor`, by resource and name. Empty if there is a single resource.
    pub(super) dynamic_anchors: HashMap<(ResourceId, String), NodeId>,
}

/// A subschema.
#[derive(Default)]
pub(super) struct Node {
    /// The keywords in the order in which they are evaluated: `unevaluated…` last.
    pub(super) keywords: Vec<Keyword>,
    pub(super) resource: ResourceId,
}

/// A keyword, or several that are evaluated together.
pub(super) enum Keyword {
    /// The boolean schema `false`.
    False,
    Type(Types),
    Const(Box<Value>),
    Enum(Box<[Value]>),
    Limit(Limit, Number),
    MultipleOf(Number),
    Size(Size, u64),
    /// The index of a pattern.
    Pattern(u32),
    UniqueItems,
    Required(Box<[String]>),
    DependentRequired(Box<[(String, Box<[String]>)]>),
    Reference(NodeId),
    /// `$dynamicRef` with the name of a dynamic anchor, and the node that it leads to first.
    DynamicReference(Box<(String, NodeId)>),
    AllOf(Box<[NodeId]>),
    AnyOf(Box<[NodeId]>),
    OneOf(Box<[NodeId]>),
    Not(NodeId),
    If(Box<Conditional>),
    DependentSchemas(Box<[(String, NodeId)]>),
    PropertyNames(NodeId),
    Properties(Box<Properties>),
    Items(Box<Items>),
    Contains(Box<Contains>),
    UnevaluatedProperties(NodeId),
    UnevaluatedItems(NodeId),
}

/// Limits of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

/// Limits of a length or a count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinProperties,
    MaxProperties,
}

/// `if`, `then` and `else`.
pub(super) struct Conditional {
    pub(super) condition: NodeId,
    pub(super) then: Option<NodeId>,
    pub(super) otherwise: Option<NodeId>,
}

/// `properties`, `patternProperties` and `additionalProperties`.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) named: HashMap<String, NodeId>,
    /// The indices of patterns, each with its subschema.
    pub(super) by_pattern: Vec<(u32, NodeId)>,
    pub(super) additional: Option<NodeId>,
}

/// `prefixItems` and `items`.
#[derive(Default)]
pub(super) struct Items {
    pub(super) prefix: Vec<NodeId>,
    pub(super) rest: Option<NodeId>,
}

/// `contains`, `minContains` and `maxContains`.
pub(super) struct Contains {
    pub(super) item: NodeId,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
}

/// A set of JSON types.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Types(u8);

/// The names of the types, in the order of their bits in [`Types`].
const TYPE_NAMES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

impl Types {
    /// Returns the set with the type of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let position = TYPE_NAMES.iter().position(|known| *known == name)?;
        Some(Self(1 << position))
    }

    /// Returns the types that a value has: `1` and `1.0` are an integer and a number.
    pub(super) fn of(value: &Value) -> Self {
        let bits = match value {
            Value::Null => 1,
            Value::Bool(_) => 1 << 1,
            Value::Number(number) if is_integer(number) => 0b11 << 2,
            Value::Number(_) => 1 << 3,
            Value::String(_) => 1 << 4,
            Value::Array(_) => 1 << 5,
            Value::Object(_) => 1 << 6,
        };
        Self(bits)
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the names of the types in the set.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let names = TYPE_NAMES.into_iter().enumerate();
        names
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }
}

fn is_integer(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

impl Document {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        // Node ids are created by the parser of the same document only.
        &self.nodes[id as usize]
    }
}

impl Node {
    /// Returns whether it needs to know which members or items its other keywords have evaluated.
    pub(super) fn has_unevaluated(&self) -> bool {
        matches!(
            self.keywords.last(),
            Some(Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_))
        )
    }
}
