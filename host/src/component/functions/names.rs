//! Tool names of functions: as short as unambiguous, and always the same for the same component.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, ComponentExportIndex};

use crate::component::definitions::MAX_NAME_BYTES;

/// Bytes of the digest that a name ends with, in hexadecimal, if it was truncated or is ambiguous.
const HASH_BYTES: usize = 4;

/// The path of an exported function in its component.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FunctionPath {
    /// The exported interface, as the component names it; `None` at the root.
    pub(super) interface: Option<Arc<str>>,
    /// The name of the function in the interface.
    pub(super) function: String,
}

impl fmt::Display for FunctionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{interface}#{}", self.function),
            None => f.write_str(&self.function),
        }
    }
}

impl FunctionPath {
    /// Returns the name of the function without its kind, such as `[method]`, which the functions of a resource have. A
    /// method follows the name of its resource: `cart.add`.
    pub(super) fn base(&self) -> &str {
        let name = self.function.split_once(']');
        name.map_or(&self.function, |(_, name)| name)
    }

    /// Returns the resource and the name of a method; `None` for other functions.
    pub(super) fn method(&self) -> Option<(&str, &str)> {
        let method = self.function.strip_prefix("[method]")?;
        method.split_once('.')
    }

    /// Returns the path of the tool for several calls of this constructor's resource.
    pub(super) fn session(&self) -> Self {
        Self {
            interface: self.interface.clone(),
            function: format!("[session]{}-session", self.base()),
        }
    }

    /// Finds the export in a component.
    pub(super) fn export(&self, component: &Component) -> Option<ComponentExportIndex> {
        let interface = match &self.interface {
            Some(interface) => component.get_export_index(None, &**interface),
            None => None,
        };
        component.get_export_index(interface.as_ref(), &self.function)
    }

    /// Returns the possible tool names, the shortest first: the function's name alone, then prefixed with the
    /// interface, the package and the namespace, and finally with the version too.
    fn candidates(&self) -> Vec<String> {
        let mut candidates = vec![self.base().to_owned()];
        if let Some(interface) = &self.interface {
            let (id, version) = interface.split_once('@').unwrap_or((interface, ""));
            let (package, interface) = id.rsplit_once('/').unwrap_or(("", id));
            let (namespace, package) = package.split_once(':').unwrap_or(("", package));
            let mut qualifiers = vec![interface];
            for qualifier in [package, namespace] {
                if !qualifier.is_empty() {
                    candidates.push(qualified(&qualifiers, self.base()));
                    qualifiers.insert(0, qualifier);
                }
            }
            candidates.push(qualified(&qualifiers, self.base()));
            if !version.is_empty() {
                qualifiers.push(version);
                candidates.push(qualified(&qualifiers, self.base()));
            }
        }
        candidates
            .iter()
            .map(|name| self.to_tool_name(name))
            .collect()
    }

    /// Replaces the characters that tool names cannot have, and truncates a name that is too long.
    fn to_tool_name(&self, name: &str) -> String {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if name.len() <= MAX_NAME_BYTES {
            name
        } else {
            self.with_hash(&name)
        }
    }

    /// Appends a hash of the path to an ASCII name.
    fn with_hash(&self, name: &str) -> String {
        let digest = Sha256::digest(self.to_string());
        let hash: String = digest[..HASH_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let kept = name.len().min(MAX_NAME_BYTES - 1 - 2 * HASH_BYTES);
        format!("{}_{hash}", &name[..kept])
    }
}

fn qualified(qualifiers: &[&str], function: &str) -> String {
    format!("{}_{function}", qualifiers.join("_"))
}

/// Assigns a tool name to each function. Functions that share a name get longer ones until the names differ.
pub(super) fn assign(paths: &[&FunctionPath]) -> Vec<String> {
    let candidates: Vec<_> = paths.iter().map(|path| path.candidates()).collect();
    let mut chosen = vec![0; paths.len()];
    loop {
        let names = || candidates.iter().zip(&chosen).map(|(c, &at)| &c[at]);
        let mut uses: HashMap<&String, usize> = HashMap::new();
        for name in names() {
            *uses.entry(name).or_default() += 1;
        }
        let is_shared: Vec<_> = names().map(|name| uses[name] > 1).collect();
        let mut changed = false;
        for (index, &is_shared) in is_shared.iter().enumerate() {
            if is_shared && chosen[index] + 1 < candidates[index].len() {
                chosen[index] += 1;
                changed = true;
            }
        }
        if !changed {
            // A name that is still shared belongs to a function at the root, which has no other candidate. It keeps
            // the name, and the function of an interface gets a hash.
            return (0..paths.len())
                .map(|index| {
                    let name = &candidates[index][chosen[index]];
                    if is_shared[index] && chosen[index] > 0 {
                        paths[index].with_hash(name)
                    } else {
                        name.clone()
                    }
                })
                .collect();
        }
    }
}
