//! An entry of `allow.kv`.

use std::fmt;

/// The suffix of a bucket's name that selects the data of the current caller.
const CALLER: &str = "caller";
/// Maximum length of a bucket's name.
const MAX_NAME_BYTES: usize = 64;

/// An entry of `kv`: a whole bucket, or only each caller's own part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketGrant {
    pub(super) name: String,
    caller_only: bool,
}

impl BucketGrant {
    /// Parses an entry: `cache` grants the whole bucket, `cache@caller` the caller's part.
    ///
    /// # Errors
    /// The problem, phrased to follow the entry's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((name, caller_only)) = split_identifier(text) else {
            return Err("only `@caller` may follow a bucket's name".into());
        };
        if !is_name(name) {
            return Err(format!(
                "a bucket's name is 1 to {MAX_NAME_BYTES} characters of `A-Z a-z 0-9 . _ -`"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            caller_only,
        })
    }

    /// Whether this entry lets a guest open the bucket: the caller's part of it, or the shared one.
    pub(super) fn covers(&self, name: &str, is_caller_part: bool) -> bool {
        self.name == name && (is_caller_part || !self.caller_only)
    }
}

impl fmt::Display for BucketGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.caller_only {
            write!(f, "@{CALLER}")?;
        }
        Ok(())
    }
}

/// Splits `name` or `name@caller` into the name and whether it has the suffix; returns `None` for any other suffix.
pub(super) fn split_identifier(identifier: &str) -> Option<(&str, bool)> {
    match identifier.split_once('@') {
        None => Some((identifier, false)),
        Some((name, CALLER)) => Some((name, true)),
        Some(_) => None,
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
