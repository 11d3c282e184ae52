//! The imports of a file: every path in its `use` items and its code, with braces expanded.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// A path, and the name under which a `use` item imports it.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    name: String,
    is_reexport: bool,
}

/// Returns the imports of the file's `use` items and the paths in its code that start with `crate`, `super` or `self`.
pub(super) fn imports(source: &Source) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut code = String::new();
    for item in source.production_code().split_inclusive(';') {
        // A `use` item is all that is left of the text before its semicolon.
        let start = item.rfind("\nuse ").or_else(|| item.rfind("\npub use "));
        let start = start.or_else(|| item.rfind("\npub(super) use "));
        let start = start.or_else(|| item.rfind("\npub(crate) use "));
        match start {
            Some(start) => {
                code.push_str(&item[..start]);
                let (visibility, tree) = item[start..].split_once("use ").unwrap();
                let is_reexport = visibility.contains("pub");
                expand(tree.trim_end_matches(';'), &[], is_reexport, &mut imports);
            }
            None => code.push_str(item),
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for path in code
        .split(|c| !is_path(c))
        .filter(|path| path.contains("::"))
    {
        let path: Vec<_> = path.split("::").map(str::to_owned).collect();
        imports.push(Import {
            name: path[path.len() - 1].clone(),
            path,
            is_reexport: false,
        });
    }
    imports
}

/// Expands `a::{b, c::d}` to its paths.
fn expand(tree: &str, above: &[String], is_reexport: bool, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some((path, list)) = tree.split_once('{') {
        let path = path
            .split("::")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let above: Vec<_> = above
            .iter()
            .cloned()
            .chain(path.map(str::to_owned))
            .collect();
        let list = list.strip_suffix('}').unwrap();
        let (mut depth, mut start) = (0, 0);
        for (index, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&list[start..index], &above, is_reexport, imports);
                    start = index + 1;
                }
                _ => {}
            }
        }
        return expand(&list[start..], &above, is_reexport, imports);
    }
    if tree.is_empty() {
        return;
    }
    let (path, name) = match tree.split_once(" as ") {
        Some((path, name)) => (path, Some(name.trim().to_owned())),
        None => (tree, None),
    };
    let path = path.split("::").map(|part| part.trim().to_owned());
    let mut path: Vec<_> = above.iter().cloned().chain(path).collect();
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = name.unwrap_or_else(|| path.last().unwrap().clone());
    imports.push(Import {
        path,
        name,
        is_reexport,
    });
}

/// The files that each file of the host uses, by module path. A re-export leads to the file that it comes from.
pub(super) fn uses(sources: &[Source]) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let modules: BTreeMap<_, _> = sources
        .iter()
        .map(|source| (source.module(), imports(source)))
        .collect();
    let mut uses = BTreeMap::new();
    for (module, imports) in &modules {
        let mut used = BTreeSet::new();
        for import in imports.iter().filter(|import| !import.is_reexport) {
            if let Some(file) = resolve(absolute(&import.path, module, &modules), &modules, 0)
                && file != *module
            {
                used.insert(file);
            }
        }
        uses.insert(module.clone(), used);
    }
    uses
}

type Modules = BTreeMap<Vec<String>, Vec<Import>>;

/// Makes a path start at the root of the crate.
fn absolute(path: &[String], module: &[String], modules: &Modules) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    if rest.len() == path.len() {
        // A child of this module, or another crate.
        let child: Vec<_> = module.iter().chain(path.first()).cloned().collect();
        if !modules.contains_key(&child) {
            return Vec::new();
        }
    }
    base.extend_from_slice(rest);
    base
}

/// Finds the file in which an absolute path is defined, through re-exports within a top module.
fn resolve(path: Vec<String>, modules: &Modules, depth: usize) -> Option<Vec<String>> {
    let file = (1..=path.len())
        .rev()
        .find(|length| modules.contains_key(&path[..*length]))?;
    let (module, item) = path.split_at(file);
    let reexport = item.first().and_then(|item| {
        let imports = modules[module].iter();
        imports
            .filter(|import| import.is_reexport)
            .find(|import| import.name == *item)
    });
    match reexport {
        Some(import) if depth < 8 => {
            let target = absolute(&import.path, module, modules);
            // A re-export from another top module makes the item a part of this one.
            if target.first() != module.first() {
                return Some(module.to_vec());
            }
            resolve(target, modules, depth + 1).or_else(|| Some(module.to_vec()))
        }
        _ => Some(module.to_vec()),
    }
}

/// Returns the groups of files that use each other in a circle.
pub(super) fn cycles(uses: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<String> {
    let reachable = |from: &Vec<String>| {
        let mut found = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(module) = open.pop() {
            for used in uses.get(&module).into_iter().flatten() {
                if found.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        found
    };
    let all: BTreeMap<_, _> = uses
        .keys()
        .map(|module| (module, reachable(module)))
        .collect();
    let mut groups = BTreeSet::new();
    for (module, below) in &all {
        if below.contains(*module) {
            let group = below
                .iter()
                .filter(|other| all.get(other).is_some_and(|b| b.contains(*module)));
            groups.insert(
                group
                    .map(|module| module.join("::"))
                    .collect::<Vec<_>>()
                    .join(" ↔ "),
            );
        }
    }
    groups.into_iter().collect()
}
