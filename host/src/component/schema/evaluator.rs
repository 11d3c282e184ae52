//! Evaluates a value against a schema: one recursive function with explicit limits of depth and work.

use std::collections::{HashMap, HashSet};
use std::ptr;

use serde_json::Value;

use super::defect::escape_segment;
use super::evaluated::Evaluated;
use super::limits::{Exceeded, Limits, text_work};
use super::message;
use super::node::{Document, Keyword, NodeId, ResourceId, Types};

/// Maximum number of remembered results. Each takes some 40 bytes.
const MAX_REMEMBERED: usize = 100_000;
/// Maximum number of mismatches that one evaluation reports.
const MAX_MISMATCHES: usize = 1_000;

/// The mismatches that an evaluation reports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// None: only whether the value fits.
    Nothing,
    /// The first one.
    First,
    /// All, also those in the branches of `anyOf` and `oneOf`, of which the value may need none.
    All,
}

/// A value that does not fit a keyword.
pub(super) struct Mismatch {
    /// The location of the value, as a JSON Pointer.
    pub(super) pointer: String,
    /// The problem, as a sentence.
    pub(super) problem: String,
    /// The types that the keyword accepts, if the value has none of them.
    pub(super) accepted: Option<Types>,
    /// Whether the value may still fit the schema, because the keyword is in one of several branches.
    pub(super) is_tentative: bool,
}

/// The location of a value.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// Returns the work of [`Self::pointer`].
    fn work(mut self: &Self) -> u64 {
        let mut work = 1;
        loop {
            match self {
                Path::Root => return work,
                Path::Member(parent, name) => {
                    work += 1 + text_work(name);
                    self = parent;
                }
                Path::Item(parent, _) => {
                    work += 1;
                    self = parent;
                }
            }
        }
    }

    fn pointer(mut self: &Self) -> String {
        let mut segments = Vec::new();
        loop {
            match self {
                Path::Root => break,
                Path::Member(parent, name) => {
                    segments.push(escape_segment(name).into_owned());
                    self = parent;
                }
                Path::Item(parent, index) => {
                    segments.push(index.to_string());
                    self = parent;
                }
            }
        }
        let segments = segments.into_iter().rev();
        segments
            .flat_map(|segment| ["/".to_owned(), segment])
            .collect()
    }
}

/// An evaluation in progress.
pub(super) struct Evaluator<'a> {
    pub(super) document: &'a Document,
    pub(super) limits: Limits,
    report: Report,
    /// How many enclosing keywords make mismatches tentative.
    tentative: usize,
    mismatches: Vec<Mismatch>,
    /// The resources that were entered, from the outermost to the innermost.
    scope: Vec<ResourceId>,
    /// The references that are being followed, with the address of the value.
    following: HashSet<(NodeId, *const Value)>,
    /// The value of the innermost of them.
    followed_value: *const Value,
    /// The results of references, by node and address of the value.
    remembered: HashMap<(NodeId, *const Value), bool>,
    /// Whether values keep their addresses. Names of properties are temporary values.
    remembers: bool,
}

/// Evaluates a value.
///
/// # Errors
/// The limit that the evaluation exceeds.
pub(super) fn evaluate(
    document: &Document,
    value: &Value,
    work: u64,
    report: Report,
) -> Result<Vec<Mismatch>, Exceeded> {
    let mut evaluator = Evaluator {
        document,
        limits: Limits::new(work),
        report,
        tentative: 0,
        mismatches: Vec::new(),
        scope: Vec::new(),
        following: HashSet::new(),
        followed_value: ptr::null(),
        remembered: HashMap::new(),
        // An evaluation in a dynamic scope may have another result in another one.
        remembers: document.dynamic_anchors.is_empty(),
    };
    let fits = evaluator.node(0, value, &Path::Root, None);
    match evaluator.limits.exceeded() {
        Some(exceeded) => Err(exceeded),
        None if fits => Ok(Vec::new()),
        None => {
            if evaluator.mismatches.is_empty() {
                evaluator.mismatches.push(Mismatch {
                    pointer: String::new(),
                    problem: "it does not fit the schema".into(),
                    accepted: None,
                    is_tentative: false,
                });
            }
            Ok(evaluator.mismatches)
        }
    }
}

impl<'a> Evaluator<'a> {
    /// Evaluates a value against a node. Adds the members or items that were evaluated to `evaluated` if it fits.
    pub(super) fn node(
        &mut self,
        id: NodeId,
        value: &Value,
        path: &Path<'_>,
        evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let document = self.document;
        let node = document.node(id);
        let enters_resource = self.scope.last() != Some(&node.resource);
        if enters_resource {
            self.scope.push(node.resource);
        }
        let mut fits = self.limits.enter();
        if fits {
            let is_needed = evaluated.is_some() || node.has_unevaluated();
            let mut own = is_needed.then(Evaluated::default);
            for keyword in &node.keywords {
                fits &= self.keyword(keyword, value, path, own.as_mut());
                if !fits && (self.report != Report::All || self.limits.exceeded().is_some()) {
                    break;
                }
            }
            if fits && let (Some(evaluated), Some(own)) = (evaluated, own) {
                fits = self.limits.charge(own.work());
                evaluated.extend(&own);
            }
        }
        self.limits.leave();
        if enters_resource {
            self.scope.pop();
        }
        fits
    }

    fn keyword(
        &mut self,
        keyword: &Keyword,
        value: &Value,
        path: &Path<'_>,
        mut evaluated: Option<&mut Evaluated>,
    ) -> bool {
        match keyword {
            Keyword::Reference(target) => self.follow(*target, value, path, evaluated),
            Keyword::DynamicReference(reference) => {
                let target = self.dynamic_target(&reference.0, reference.1);
                self.follow(target, value, path, evaluated)
            }
            Keyword::AllOf(schemas) => {
                let mut fits = true;
                for schema in schemas {
                    fits &= self.node(*schema, value, path, evaluated.as_deref_mut());
                    if !fits && (self.report != Report::All || self.limits.exceeded().is_some()) {
                        break;
                    }
                }
                fits
            }
            Keyword::AnyOf(schemas) => self.any_of(schemas, value, path, evaluated),
            Keyword::OneOf(schemas) => self.one_of(schemas, value, path, evaluated),
            Keyword::Not(schema) => {
                let fits = self.silently(|this| this.node(*schema, value, path, None));
                !fits
                    || self.mismatch(path, || {
                        format!(
                            "{} fits a schema of the 'not' keyword",
                            message::quote(value)
                        )
                    })
            }
            Keyword::If(conditional) => {
                let tracked = evaluated.as_deref_mut();
                let holds =
                    self.silently(|this| this.node(conditional.condition, value, path, tracked));
                let branch = match holds {
                    true => conditional.then,
                    false => conditional.otherwise,
                };
                branch.is_none_or(|branch| self.node(branch, value, path, evaluated))
            }
            Keyword::DependentSchemas(schemas) => {
                let Value::Object(members) = value else {
                    return true;
                };
                schemas.iter().all(|(name, schema)| {
                    self.limits.charge(1)
                        && (!members.contains_key(name)
                            || self.node(*schema, value, path, evaluated.as_deref_mut()))
                })
            }
            Keyword::PropertyNames(schema) => self.property_names(*schema, value, path),
            Keyword::Properties(properties) => self.properties(properties, value, path, evaluated),
            Keyword::Items(items) => self.items(items, value, path, evaluated),
            Keyword::Contains(contains) => self.contains(contains, value, path, evaluated),
            Keyword::UnevaluatedProperties(schema) => {
                self.unevaluated_properties(*schema, value, path, evaluated)
            }
            Keyword::UnevaluatedItems(schema) => {
                self.unevaluated_items(*schema, value, path, evaluated)
            }
            assertion => self.assertion(assertion, value, path),
        }
    }

    /// Evaluates the target of a reference.
    ///
    /// A reference that leads back to itself with the same value adds nothing to its result.
    fn follow(
        &mut self,
        target: NodeId,
        value: &Value,
        path: &Path<'_>,
        evaluated: Option<&mut Evaluated>,
    ) -> bool {
        let key = (target, ptr::from_ref(value));
        if self.following.contains(&key) {
            return true;
        }
        // A result inside a chain of references may depend on the assumption above.
        let is_outermost = self.followed_value != key.1;
        let is_remembered = self.remembers && is_outermost && evaluated.is_none();
        if is_remembered
            && let Some(fits) = self.remembered.get(&key)
            && (*fits || self.report == Report::Nothing)
        {
            return *fits;
        }
        self.following.insert(key);
        let outer_value = std::mem::replace(&mut self.followed_value, key.1);
        let fits = self.node(target, value, path, evaluated);
        self.followed_value = outer_value;
        self.following.remove(&key);
        if is_remembered && self.remembered.len() < MAX_REMEMBERED {
            self.remembered.insert(key, fits);
        }
        fits
    }

    /// Returns the outermost dynamic anchor of a name in the dynamic scope.
    fn dynamic_target(&mut self, name: &str, initial: NodeId) -> NodeId {
        self.limits.charge(self.scope.len() as u64);
        let anchors = &self.document.dynamic_anchors;
        let mut scope = self.scope.iter();
        let found = scope.find_map(|resource| anchors.get(&(*resource, name.to_owned())));
        found.copied().unwrap_or(initial)
    }

    /// Runs an evaluation whose mismatches do not matter.
    pub(super) fn silently<T>(&mut self, evaluation: impl FnOnce(&mut Self) -> T) -> T {
        let report = std::mem::replace(&mut self.report, Report::Nothing);
        let result = evaluation(self);
        self.report = report;
        result
    }

    /// Runs an evaluation of one of several branches.
    pub(super) fn tentatively<T>(&mut self, evaluation: impl FnOnce(&mut Self) -> T) -> T {
        if self.report != Report::All {
            return self.silently(evaluation);
        }
        self.tentative += 1;
        let result = evaluation(self);
        self.tentative -= 1;
        result
    }

    /// Runs an evaluation of a value that exists only for it.
    pub(super) fn without_memory<T>(&mut self, evaluation: impl FnOnce(&mut Self) -> T) -> T {
        let remembers = std::mem::replace(&mut self.remembers, false);
        let result = evaluation(self);
        self.remembers = remembers;
        result
    }

    pub(super) fn reports_all(&self) -> bool {
        self.report == Report::All && self.limits.exceeded().is_none()
    }

    /// Reports a mismatch. Returns `false`.
    pub(super) fn mismatch(&mut self, path: &Path<'_>, problem: impl FnOnce() -> String) -> bool {
        self.mismatched_type(path, problem, None)
    }

    /// The same, with the types that would fit.
    pub(super) fn mismatched_type(
        &mut self,
        path: &Path<'_>,
        problem: impl FnOnce() -> String,
        accepted: Option<Types>,
    ) -> bool {
        if self.report != Report::Nothing
            && self.mismatches.len() < MAX_MISMATCHES
            // A pointer repeats the names of all enclosing members, which may be long.
            && self.limits.charge(path.work())
        {
            self.mismatches.push(Mismatch {
                pointer: path.pointer(),
                problem: problem(),
                accepted,
                is_tentative: self.tentative > 0,
            });
        }
        false
    }
}
