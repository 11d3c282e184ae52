//! Parses a schema into a [`Document`]: a worklist instead of recursion, and work proportional to the schema's text.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::defect::{Defect, Location, Segment};
use super::node::{Document, Keyword, Node, NodeId, ResourceId};
use super::pattern::{Pattern, PatternSpace};
use super::references::{self, Anchor, Unresolved};

/// Parses a schema and everything that its references lead to.
///
/// # Errors
/// The first defect.
pub(super) fn parse(root: &Value, space: &mut PatternSpace) -> Result<Document, String> {
    let mut parser = Parser {
        document: Document::default(),
        locations: Vec::new(),
        ids: HashMap::new(),
        pending: Vec::new(),
        references: Vec::new(),
        resources: vec![root],
        anchors: HashMap::new(),
        pattern_ids: HashMap::new(),
        space,
    };
    parser.node(root, 0, Location::Root);
    parser.run()?;
    Ok(parser.document)
}

/// A parse in progress. `'s` is the lifetime of the schema.
pub(super) struct Parser<'s, 'p> {
    document: Document,
    /// The location of each node.
    locations: Vec<Location<'s>>,
    /// The nodes by the address of their schema.
    ids: HashMap<*const Value, NodeId>,
    /// The nodes whose keywords have not been parsed.
    pending: Vec<(NodeId, &'s Value)>,
    /// The references that have not been resolved.
    references: Vec<Reference<'s>>,
    /// The root of each resource.
    resources: Vec<&'s Value>,
    anchors: HashMap<(ResourceId, &'s str), Anchor<'s>>,
    pattern_ids: HashMap<&'s str, u32>,
    space: &'p mut PatternSpace,
}

/// A `$ref` or `$dynamicRef` of a node.
struct Reference<'s> {
    node: NodeId,
    is_dynamic: bool,
    text: &'s str,
}

impl<'s> Parser<'s, '_> {
    fn run(&mut self) -> Result<(), String> {
        loop {
            while let Some((id, schema)) = self.pending.pop() {
                if let Err(defect) = self.parse_node(id, schema) {
                    return Err(defect.format(id, &self.locations));
                }
            }
            // The anchors of all nodes are known now. A reference can lead to further nodes.
            let Some(reference) = self.references.pop() else {
                break;
            };
            self.resolve(&reference)?;
        }
        for node in &mut self.document.nodes {
            // Stable: keywords of the same rank keep the order of `keywords`.
            node.keywords.sort_by_key(|keyword| {
                matches!(
                    keyword,
                    Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_)
                )
            });
        }
        Ok(())
    }

    /// Returns the node of a subschema, which is parsed later if it is new.
    pub(super) fn node(
        &mut self,
        schema: &'s Value,
        resource: ResourceId,
        location: Location<'s>,
    ) -> NodeId {
        if let Some(id) = self.ids.get(&std::ptr::from_ref(schema)) {
            return *id;
        }
        // Never truncated: a schema of `MAX_SCHEMA_BYTES` has fewer nodes.
        let id = self.document.nodes.len() as NodeId;
        self.document.nodes.push(Node {
            resource,
            ..Node::default()
        });
        self.locations.push(location);
        self.ids.insert(schema, id);
        self.pending.push((id, schema));
        id
    }

    /// Returns the index of a compiled pattern.
    pub(super) fn pattern(&mut self, source: &'s str) -> Result<u32, String> {
        if let Some(id) = self.pattern_ids.get(source) {
            return Ok(*id);
        }
        let id = self.document.patterns.len() as u32;
        let pattern = Pattern::new(source, self.space)?;
        self.document.patterns.push(pattern);
        self.pattern_ids.insert(source, id);
        Ok(id)
    }

    fn parse_node(&mut self, id: NodeId, schema: &'s Value) -> Result<(), Defect> {
        let members = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => {
                self.document.nodes[id as usize].keywords = vec![Keyword::False];
                return Ok(());
            }
            Value::Object(members) => members,
            other => return Err(Defect::wrong_type(other, "\"boolean\" or \"object\"")),
        };
        let resource = self.resource(id, schema, members)?;
        self.document.nodes[id as usize].resource = resource;
        references::check_dialect(members)?;
        for (name, is_dynamic) in [("$anchor", false), ("$dynamicAnchor", true)] {
            if let Some(anchor) = members.get(name) {
                let anchor = references::anchor_name(anchor).map_err(|e| e.below(name))?;
                let known = self.anchors.entry((resource, anchor)).or_insert(Anchor {
                    schema,
                    is_dynamic: false,
                });
                known.is_dynamic |= is_dynamic && std::ptr::eq(known.schema, schema);
                if is_dynamic {
                    let key = (resource, anchor.to_owned());
                    self.document.dynamic_anchors.entry(key).or_insert(id);
                }
            }
        }
        for (name, is_dynamic) in [("$ref", false), ("$dynamicRef", true)] {
            if let Some(reference) = members.get(name) {
                let text = references::local_reference(reference).map_err(|e| e.below(name))?;
                self.references.push(Reference {
                    node: id,
                    is_dynamic,
                    text,
                });
            }
        }
        let keywords = self.keywords(id, members)?;
        self.document.nodes[id as usize].keywords = keywords;
        Ok(())
    }

    /// Returns the resource of a node: a new one if a subschema has its own `$id`.
    fn resource(
        &mut self,
        id: NodeId,
        schema: &'s Value,
        members: &'s Map<String, Value>,
    ) -> Result<ResourceId, Defect> {
        let inherited = self.document.nodes[id as usize].resource;
        match members.get("$id") {
            None => Ok(inherited),
            Some(Value::String(uri)) if uri.trim_end_matches('#').contains('#') => {
                Err(Defect::new(format!("{uri:?} is not a URI without fragment")).below("$id"))
            }
            Some(Value::String(_)) if id == 0 => Ok(inherited),
            Some(Value::String(_)) => {
                self.resources.push(schema);
                Ok((self.resources.len() - 1) as ResourceId)
            }
            Some(other) => Err(Defect::wrong_type(other, "\"string\"").below("$id")),
        }
    }

    /// Adds a reference to the keywords of its node.
    fn resolve(&mut self, reference: &Reference<'s>) -> Result<(), String> {
        let resource = self.document.nodes[reference.node as usize].resource;
        let root = self.resources[resource as usize];
        let find_anchor = |name: &'s str| self.anchors.get(&(resource, name)).copied();
        let target = references::resolve(reference.text, root, find_anchor);
        let target = target.map_err(|problem| match problem {
            Unresolved::Missing => {
                let key = if reference.is_dynamic {
                    "$dynamicRef"
                } else {
                    "$ref"
                };
                let text = format!("`{}` does not exist", reference.text);
                let defect = Defect::new(text).below(key);
                defect.format(reference.node, &self.locations)
            }
            Unresolved::Value => format!(
                "refers to `{}`, which is a value, not a schema; move it to `$defs`",
                reference.text
            ),
        })?;
        let location = Location::Reference(reference.text);
        let id = self.node(target.schema, resource, location);
        let keyword = match target.dynamic_anchor {
            Some(name) if reference.is_dynamic => {
                Keyword::DynamicReference(Box::new((name.to_owned(), id)))
            }
            _ => Keyword::Reference(id),
        };
        self.document.nodes[reference.node as usize]
            .keywords
            .push(keyword);
        Ok(())
    }

    /// Returns the location of a subschema of a node.
    pub(super) fn below(node: NodeId, segment: Segment<'s>) -> Location<'s> {
        Location::Below(node, segment)
    }

    pub(super) fn resource_of(&self, node: NodeId) -> ResourceId {
        self.document.nodes[node as usize].resource
    }
}
