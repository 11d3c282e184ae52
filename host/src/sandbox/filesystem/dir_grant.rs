//! The entries of `allow.dirs`: their validation, and opening their directories.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{FsPerms, OpenMode};

/// An entry of `dirs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The directory's path on the host.
    pub host: PathBuf,
    /// The absolute path under which the component sees it.
    pub guest: String,
    /// Whether the component may change its content.
    pub write: bool,
}

impl fmt::Display for DirGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.write {
            "read and write"
        } else {
            "read only"
        };
        write!(f, "{} = {} ({access})", self.guest, self.host.display())
    }
}

/// A directory that has been opened for a component.
pub(in crate::sandbox) struct OpenDir {
    pub(super) dir: Dir,
    pub(super) guest_path: String,
}

/// Checks the guest paths: each must be absolute and plain, and none may be inside another one.
///
/// Returns one sentence for each violation.
pub(in crate::sandbox) fn validate(grants: &[DirGrant]) -> Vec<String> {
    let mut reasons = Vec::new();
    for (index, grant) in grants.iter().enumerate() {
        let guest = &grant.guest;
        if !is_plain_absolute(guest) {
            reasons.push(format!(
                "has the guest path {guest:?}; write it absolute and plain, such as \"/data\""
            ));
        }
        for other in &grants[..index] {
            if is_nested(Path::new(guest), Path::new(&other.guest)) {
                reasons.push(format!(
                    "has the guest paths {:?} and {guest:?}, of which one lies in the other; \
                     give each a place of its own",
                    other.guest
                ));
            }
        }
    }
    reasons
}

/// Opens the granted directories.
///
/// # Errors
/// One sentence for each directory that cannot be opened or granted as written.
pub(in crate::sandbox) fn open_dirs(grants: &[DirGrant]) -> Result<Vec<OpenDir>, Vec<String>> {
    let mut reasons = Vec::new();
    let mut dirs = Vec::new();
    let mut opened: Vec<(PathBuf, &DirGrant)> = Vec::new();
    for grant in grants {
        match open_dir(grant) {
            Ok((dir, path)) => {
                let conflict = opened.iter().find(|(other_path, other)| {
                    other.write != grant.write && is_nested(&path, other_path)
                });
                if let Some((_, other)) = conflict {
                    reasons.push(format!(
                        "gives `{}` and `{}`, of which one lies in the other, for reading and for \
                         writing; the one that may be written would undo the other",
                        other.host.display(),
                        grant.host.display()
                    ));
                }
                opened.push((path, grant));
                dirs.push(dir);
            }
            Err(error) => reasons.push(format!(
                "names `{}`, which cannot be opened as a directory: {error}",
                grant.host.display()
            )),
        }
    }
    if reasons.is_empty() {
        Ok(dirs)
    } else {
        Err(reasons)
    }
}

/// Opens one directory; returns it with its canonical path.
fn open_dir(grant: &DirGrant) -> std::io::Result<(OpenDir, PathBuf)> {
    let path = grant.host.canonicalize()?;
    if !path.is_dir() {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    let file = File::open(&path)?;
    let (perms, mode) = if grant.write {
        (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
    } else {
        (FsPerms::ReadOnly, OpenMode::READ)
    };
    // Without `allow_blocking_current_thread`, file operations run on blocking threads: an operation that waits for a
    // disk must not occupy a connection thread.
    let dir = OpenDir {
        dir: Dir::new(file, perms, mode, false),
        guest_path: grant.guest.clone(),
    };
    Ok((dir, path))
}

/// Whether the path is absolute and has no empty, `.` or `..` segment.
fn is_plain_absolute(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|s| !matches!(s, "" | "." | "..") && !s.contains(['\0', '\\']))
        })
}

/// Whether one of the paths equals or contains the other one.
fn is_nested(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}
