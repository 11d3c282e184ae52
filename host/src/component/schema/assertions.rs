//! Evaluation of the keywords that look at a value alone.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::equality::{are_unique, compare, is_equal, is_multiple_of};
use super::evaluator::{Evaluator, Path};
use super::limits::{text_work, value_work};
use super::message;
use super::node::{Keyword, Limit, Size, Types};

impl Evaluator<'_> {
    /// Checks a value against an assertion. Keywords of other kinds accept any value.
    pub(super) fn assertion(&mut self, keyword: &Keyword, value: &Value, path: &Path<'_>) -> bool {
        match keyword {
            Keyword::False => self.mismatch(path, || {
                format!("False schema does not allow {}", message::quote(value))
            }),
            Keyword::Type(types) => {
                types.intersects(Types::of(value))
                    || self.mismatched_type(
                        path,
                        || message::wrong_type(value, *types),
                        Some(*types),
                    )
            }
            Keyword::Const(expected) => {
                equals(self, value, expected)
                    || self.mismatched_type(
                        path,
                        || format!("{} was expected", message::quote(expected)),
                        Some(Types::of(expected)),
                    )
            }
            Keyword::Enum(options) => {
                options.iter().any(|option| equals(self, value, option))
                    || self.mismatched_type(
                        path,
                        || message::not_one_of(value, options),
                        Some(types_of(options)),
                    )
            }
            Keyword::Limit(limit, bound) => {
                is_within(value, *limit, bound)
                    || self.mismatch(path, || message::out_of_limit(value, *limit, bound))
            }
            Keyword::MultipleOf(divisor) => {
                value
                    .as_number()
                    .is_none_or(|number| is_multiple_of(number, divisor))
                    || self.mismatch(path, || {
                        format!("{} is not a multiple of {divisor}", message::quote(value))
                    })
            }
            Keyword::Size(size, bound) => {
                has_size(self, value, *size, *bound)
                    || self.mismatch(path, || message::wrong_size(value, *size, *bound))
            }
            Keyword::Pattern(pattern) => {
                let Value::String(text) = value else {
                    return true;
                };
                let pattern = &self.document.patterns[*pattern as usize];
                if !self.limits.charge(pattern.work(text)) {
                    return false;
                }
                pattern.is_match(text)
                    || self.mismatch(path, || {
                        format!(
                            "{} does not match {:?}",
                            message::quote(value),
                            pattern.source
                        )
                    })
            }
            Keyword::UniqueItems => {
                let Value::Array(items) = value else {
                    return true;
                };
                if !self.limits.charge(value_work(value)) {
                    return false;
                }
                are_unique(items)
                    || self.mismatch(path, || {
                        format!("{} has non-unique elements", message::quote(value))
                    })
            }
            Keyword::Required(names) => value.as_object().is_none_or(|members| {
                names
                    .iter()
                    .all(|name| has_member(self, members, name, path))
            }),
            Keyword::DependentRequired(dependencies) => value.as_object().is_none_or(|members| {
                dependencies.iter().all(|(name, required)| {
                    self.limits.charge(1)
                        && (!members.contains_key(name)
                            || required
                                .iter()
                                .all(|name| has_member(self, members, name, path)))
                })
            }),
            _ => true,
        }
    }
}

/// Compares a value with an expected one, whose size bounds the work.
fn equals(evaluator: &mut Evaluator<'_>, value: &Value, expected: &Value) -> bool {
    let work = match expected {
        Value::Array(_) | Value::Object(_) => value_work(expected),
        Value::String(text) => 1 + text_work(text),
        _ => 1,
    };
    evaluator.limits.charge(work) && is_equal(value, expected)
}

fn types_of(options: &[Value]) -> Types {
    let types = options.iter().map(Types::of);
    types.fold(Types::default(), Types::union)
}

fn is_within(value: &Value, limit: Limit, bound: &Number) -> bool {
    let Some(order) = value.as_number().and_then(|number| compare(number, bound)) else {
        return true;
    };
    match limit {
        Limit::Minimum => order != Ordering::Less,
        Limit::Maximum => order != Ordering::Greater,
        Limit::ExclusiveMinimum => order == Ordering::Greater,
        Limit::ExclusiveMaximum => order == Ordering::Less,
    }
}

fn has_size(evaluator: &mut Evaluator<'_>, value: &Value, size: Size, bound: u64) -> bool {
    let count = match (size, value) {
        (Size::MinLength | Size::MaxLength, Value::String(text)) => {
            if !evaluator.limits.charge(text_work(text)) {
                return false;
            }
            text.chars().count()
        }
        (Size::MinItems | Size::MaxItems, Value::Array(items)) => items.len(),
        (Size::MinProperties | Size::MaxProperties, Value::Object(members)) => members.len(),
        _ => return true,
    } as u64;
    match size {
        Size::MinLength | Size::MinItems | Size::MinProperties => count >= bound,
        Size::MaxLength | Size::MaxItems | Size::MaxProperties => count <= bound,
    }
}

fn has_member(
    evaluator: &mut Evaluator<'_>,
    members: &Map<String, Value>,
    name: &str,
    path: &Path<'_>,
) -> bool {
    evaluator.limits.charge(1 + text_work(name))
        && (members.contains_key(name)
            || evaluator.mismatch(path, || {
                format!("{} is a required property", message::quote(&name.into()))
            }))
}
