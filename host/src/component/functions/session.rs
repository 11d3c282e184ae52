//! A tool that makes one resource and calls several of its methods, which a tool per method cannot.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::types::ComponentFunc;

use super::declarations::Declarations;
use super::function::Function;
use super::resources::{ResourceSource, Resources};
use super::type_reader::TypeReader;
use super::types::{Case, Field, NamedItems, TypeKind, WitType};

/// The member of the arguments with the methods to call.
const STEPS: &str = "steps";

/// Returns a session, or the reason why there is none, for each resource with a constructor and several methods that are
/// tools.
pub(super) fn sessions<'f>(
    functions: impl Iterator<Item = (&'f Arc<Function>, &'f ComponentFunc)>,
    declarations: Option<&Declarations>,
    resources: &Resources,
) -> Vec<Result<Function, (String, String)>> {
    let mut methods: BTreeMap<String, (&ResourceSource, Vec<_>)> = BTreeMap::new();
    for (function, ty) in functions {
        if let Some(source) = resources.of_method(&function.path) {
            let entry = methods.entry(source.path.to_string());
            let (_, methods) = entry.or_insert_with(|| (source, Vec::new()));
            methods.push((function.clone(), ty));
        }
    }
    let several = methods
        .into_values()
        .filter(|(_, methods)| methods.len() > 1);
    let sessions = several.map(|(source, methods)| {
        session(source, methods, declarations, resources)
            .map_err(|reason| (source.path.session().to_string(), reason))
    });
    sessions.collect()
}

fn session(
    source: &ResourceSource,
    methods: Vec<(Arc<Function>, &ComponentFunc)>,
    declarations: Option<&Declarations>,
    resources: &Resources,
) -> Result<Function, String> {
    let mut reader = TypeReader::new(declarations, resources);
    let resource = reader.constructor(source.resource, false)?;
    let mut cases = Vec::new();
    for (function, ty) in &methods {
        let mut fields = reader.parameters(&function.path, ty)?;
        // The resource itself.
        fields.remove(0);
        let payload = (!fields.is_empty()).then_some(WitType {
            kind: TypeKind::Record(fields),
            name: None,
            docs: None,
        });
        let docs = declarations.and_then(|d| d.function_docs(&function.path));
        cases.push(Case {
            name: method_name(function).to_owned(),
            docs: docs.map(|docs| reader.text(docs)).transpose()?,
            payload,
        });
    }
    let step = WitType {
        kind: TypeKind::Variant(NamedItems::new(cases, |case| &case.name)),
        name: Some("step".to_owned()),
        docs: None,
    };
    let name = source.path.base();
    if name == STEPS {
        return Err(format!("`{STEPS}` is the name of its resource"));
    }
    let of_methods = methods.iter().map(|(method, _)| method.max_bytes_per_fuel);
    Ok(Function {
        path: source.path.session(),
        export: source.export,
        max_bytes_per_fuel: of_methods
            .chain([resource.max_bytes_per_fuel()])
            .max()
            .unwrap_or(1),
        parameters: vec![
            Field {
                name: name.to_owned(),
                docs: None,
                ty: resource,
            },
            Field {
                name: STEPS.to_owned(),
                docs: Some("The methods to call on it, in this order".to_owned()),
                ty: WitType {
                    kind: TypeKind::List(Box::new(step)),
                    name: None,
                    docs: None,
                },
            },
        ],
        returns: None,
        has_resources: true,
        has_transfers: false,
        is_async: false,
        methods: methods
            .into_iter()
            .map(|(method, _)| (method_name(&method).to_owned(), method))
            .collect(),
    })
}

/// Returns the name of a method without that of its resource.
fn method_name(function: &Function) -> &str {
    function.path.method().map_or("", |(_, name)| name)
}
