//! The names of functions as tools: short where that is clear, and always the
//! same for the same component.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::component::definition::MAX_NAME_BYTES;

/// Where a function stands in its component.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The exported interface, as the component names it; `None` at the root.
    pub(super) interface: Option<Arc<str>>,
    /// Its own name.
    pub(super) function: String,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{interface}#{}", self.function),
            None => f.write_str(&self.function),
        }
    }
}

impl Path {
    /// The names that it could have, the shortest first: its own, then with the
    /// interface, the package, the namespace and the version before it.
    fn candidates(&self) -> Vec<String> {
        let mut candidates = vec![self.function.clone()];
        if let Some(interface) = &self.interface {
            let (id, version) = interface.split_once('@').unwrap_or((interface, ""));
            let (package, interface) = id.rsplit_once('/').unwrap_or(("", id));
            let (namespace, package) = package.split_once(':').unwrap_or(("", package));
            let mut qualified = vec![interface];
            for more in [package, namespace] {
                if !more.is_empty() {
                    candidates.push(joined(&qualified, &self.function));
                    qualified.insert(0, more);
                }
            }
            candidates.push(joined(&qualified, &self.function));
            if !version.is_empty() {
                qualified.push(version);
                candidates.push(joined(&qualified, &self.function));
            }
        }
        candidates.iter().map(|name| self.fitted(name)).collect()
    }

    /// The name in the letters that tool names have, shortened where it is too
    /// long.
    fn fitted(&self, name: &str) -> String {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if name.len() <= MAX_NAME_BYTES {
            name
        } else {
            self.hashed(&name)
        }
    }

    /// The name with a hash of the whole path at its end.
    fn hashed(&self, name: &str) -> String {
        const HASH_BYTES: usize = 4;
        let digest = Sha256::digest(self.to_string());
        let hash: String = digest[..HASH_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // It is ASCII, so that every place is the start of a character.
        let kept = name.len().min(MAX_NAME_BYTES - 1 - 2 * HASH_BYTES);
        format!("{}_{hash}", &name[..kept])
    }
}

fn joined(qualified: &[&str], function: &str) -> String {
    format!("{}_{function}", qualified.join("_"))
}

/// A name for each function. Functions that would have one name in common are
/// told apart by what they belong to.
pub(super) fn assign(paths: &[&Path]) -> Vec<String> {
    let candidates: Vec<_> = paths.iter().map(|path| path.candidates()).collect();
    let mut chosen = vec![0; paths.len()];
    loop {
        let names = || candidates.iter().zip(&chosen).map(|(c, &at)| &c[at]);
        let mut uses: HashMap<&String, usize> = HashMap::new();
        for name in names() {
            *uses.entry(name).or_default() += 1;
        }
        let shared: Vec<_> = names().map(|name| uses[name] > 1).collect();
        let mut changed = false;
        for (index, &shared) in shared.iter().enumerate() {
            if shared && chosen[index] + 1 < candidates[index].len() {
                chosen[index] += 1;
                changed = true;
            }
        }
        if !changed {
            // What is still shared is a root function's own name and the
            // qualified one of another: the root function keeps it.
            return (0..paths.len())
                .map(|index| {
                    let name = &candidates[index][chosen[index]];
                    if shared[index] && chosen[index] > 0 {
                        paths[index].hashed(name)
                    } else {
                        name.clone()
                    }
                })
                .collect();
        }
    }
}
