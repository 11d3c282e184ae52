//! Evaluation of the keywords that apply subschemas: to one of several, to members, and to items.

use serde_json::Value;

use super::evaluated::Evaluated;
use super::evaluator::{Evaluator, Path};
use super::limits::text_work;
use super::message::{self, Unexpected};
use super::node::{Contains, Items, Keyword, NodeId, Properties};

impl Evaluator<'_> {
    pub(super) fn any_of(
        &mut self,
        schemas: &[NodeId],
        value: &Value,
        path: &Path<'_>,
        mut evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let mut fits = false;
        for schema in schemas {
            let tracked = evaluated.as_deref_mut();
            fits |= self.tentatively(|this| this.node(*schema, value, path, tracked));
            // Every branch that fits evaluates members and items.
            if fits && evaluated.is_none() || self.limits.exceeded().is_some() {
                break;
            }
        }
        fits || self.mismatch(path, || no_branch(value, "anyOf"))
    }

    pub(super) fn one_of(
        &mut self,
        schemas: &[NodeId],
        value: &Value,
        path: &Path<'_>,
        mut evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let mut fitting = 0;
        for schema in schemas {
            let tracked = evaluated.as_deref_mut();
            let fits = self.tentatively(|this| this.node(*schema, value, path, tracked));
            fitting += usize::from(fits);
            if fitting > 1 || self.limits.exceeded().is_some() {
                break;
            }
        }
        match fitting {
            1 => true,
            0 => self.mismatch(path, || no_branch(value, "oneOf")),
            _ => self.mismatch(path, || {
                format!(
                    "{} is valid under more than one of the schemas listed in the 'oneOf' keyword",
                    message::quote(value)
                )
            }),
        }
    }

    pub(super) fn property_names(
        &mut self,
        schema: NodeId,
        value: &Value,
        path: &Path<'_>,
    ) -> bool {
        let Value::Object(members) = value else {
            return true;
        };
        members.keys().all(|name| {
            if !self.limits.charge(1 + text_work(name)) {
                return false;
            }
            let name = Value::from(name.as_str());
            self.without_memory(|this| this.node(schema, &name, path, None))
        })
    }

    pub(super) fn properties(
        &mut self,
        properties: &Properties,
        value: &Value,
        path: &Path<'_>,
        mut evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let Value::Object(members) = value else {
            return true;
        };
        let document = self.document;
        let mut all_fit = true;
        let mut unexpected = Unexpected::default();
        for (position, (name, member)) in members.iter().enumerate() {
            if !self.limits.charge(1 + text_work(name)) {
                return false;
            }
            let member_path = Path::Member(path, name);
            let mut is_evaluated = false;
            if let Some(schema) = properties.named.get(name) {
                is_evaluated = true;
                all_fit &= self.node(*schema, member, &member_path, None);
            }
            for (pattern, schema) in &properties.by_pattern {
                let pattern = &document.patterns[*pattern as usize];
                if !self.limits.charge(pattern.work(name)) {
                    return false;
                }
                if pattern.is_match(name) {
                    is_evaluated = true;
                    all_fit &= self.node(*schema, member, &member_path, None);
                }
            }
            if !is_evaluated && let Some(schema) = properties.additional {
                is_evaluated = true;
                if self.is_false(schema) {
                    unexpected.add(|| quoted_name(name));
                } else {
                    all_fit &= self.node(schema, member, &member_path, None);
                }
            }
            if is_evaluated && let Some(evaluated) = &mut evaluated {
                evaluated.insert(position);
            }
            if (!all_fit || !unexpected.is_empty()) && !self.reports_all() {
                break;
            }
        }
        if !unexpected.is_empty() {
            return self.mismatch(path, || unexpected.sentence("Additional properties"));
        }
        all_fit
    }

    pub(super) fn items(
        &mut self,
        items: &Items,
        value: &Value,
        path: &Path<'_>,
        mut evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let Value::Array(values) = value else {
            return true;
        };
        let mut all_fit = true;
        for (index, item) in values.iter().enumerate() {
            let Some(schema) = items.prefix.get(index).copied().or(items.rest) else {
                break;
            };
            if let Some(evaluated) = &mut evaluated {
                evaluated.insert(index);
            }
            all_fit &= self.node(schema, item, &Path::Item(path, index), None);
            if !all_fit && !self.reports_all() {
                break;
            }
        }
        all_fit
    }

    pub(super) fn contains(
        &mut self,
        contains: &Contains,
        value: &Value,
        path: &Path<'_>,
        mut evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let Value::Array(values) = value else {
            return true;
        };
        let mut count = 0;
        for (index, item) in values.iter().enumerate() {
            let item_path = Path::Item(path, index);
            if self.silently(|this| this.node(contains.item, item, &item_path, None)) {
                count += 1;
                if let Some(evaluated) = &mut evaluated {
                    evaluated.insert(index);
                }
            }
            if self.limits.exceeded().is_some() {
                return false;
            }
        }
        let is_few = contains.max.is_none_or(|max| count <= max);
        if count >= contains.min && is_few {
            return true;
        }
        self.mismatch(path, || {
            let value = message::quote(value);
            match (is_few, count) {
                (true, 0) => format!("None of {value} are valid under the given schema"),
                (true, _) => format!("Too few items of {value} are valid under the given schema"),
                (false, _) => format!("Too many items of {value} are valid under the given schema"),
            }
        })
    }

    pub(super) fn unevaluated_properties(
        &mut self,
        schema: NodeId,
        value: &Value,
        path: &Path<'_>,
        evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let (Value::Object(members), Some(evaluated)) = (value, evaluated) else {
            return true;
        };
        let members = members.iter();
        let members = members.map(|(name, member)| (Path::Member(path, name), member));
        self.unevaluated(schema, members, path, evaluated, "Unevaluated properties")
    }

    pub(super) fn unevaluated_items(
        &mut self,
        schema: NodeId,
        value: &Value,
        path: &Path<'_>,
        evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let (Value::Array(values), Some(evaluated)) = (value, evaluated) else {
            return true;
        };
        let items = values.iter().enumerate();
        let items = items.map(|(index, item)| (Path::Item(path, index), item));
        self.unevaluated(schema, items, path, evaluated, "Unevaluated items")
    }

    /// Evaluates the members or items that no other keyword has evaluated.
    fn unevaluated<'p>(
        &mut self,
        schema: NodeId,
        parts: impl ExactSizeIterator<Item = (Path<'p>, &'p Value)>,
        path: &Path<'_>,
        evaluated: &mut Evaluated,
        kind: &str,
    ) -> bool {
        let count = parts.len() as u64;
        let mut all_fit = true;
        let mut unexpected = Unexpected::default();
        for (position, (part_path, part)) in parts.enumerate() {
            if evaluated.contains(position) {
                continue;
            }
            if self.is_false(schema) {
                unexpected.add(|| match part_path {
                    Path::Member(_, name) => quoted_name(name),
                    _ => message::quote(part),
                });
            } else {
                all_fit &= self.node(schema, part, &part_path, None);
            }
            if (!all_fit || !unexpected.is_empty()) && !self.reports_all() {
                break;
            }
        }
        evaluated.insert_all();
        if !unexpected.is_empty() {
            return self.mismatch(path, || unexpected.sentence(kind));
        }
        self.limits.charge(count) && all_fit
    }

    fn is_false(&self, schema: NodeId) -> bool {
        matches!(self.document.node(schema).keywords[..], [Keyword::False])
    }
}

fn no_branch(value: &Value, keyword: &str) -> String {
    format!(
        "{} is not valid under any of the schemas listed in the '{keyword}' keyword",
        message::quote(value)
    )
}

fn quoted_name(name: &str) -> String {
    format!("'{}'", message::truncated(name))
}
