//! The source files of a project, and their changes.
//!
//! The files are looked at several times a second. That finds changes on every file system, needs no watch for each
//! directory, and costs little: the time between two looks grows with the time of one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_millis(100);
/// The time of a look times this is the least time to the next, so that looking takes 5 % of a processor at most.
const PAUSE_FACTOR: u32 = 20;
/// Time for which changes are waited for after the first one: an editor or a formatter may save several files.
const MAX_DEBOUNCE: Duration = Duration::from_secs(1);
/// Files that are looked at. A project of a component has less than a hundred.
const MAX_FILES: usize = 10_000;
/// Depth of the folders that are looked at.
const MAX_DEPTH: usize = 16;
/// Size of a file whose content is compared. A larger one counts as changed when its time changes.
const MAX_COMPARED_BYTES: u64 = 1 << 20;

/// Folders of outputs and dependencies, at any depth.
const IGNORED_FOLDERS: [&str; 3] = ["target", "node_modules", "__pycache__"];
/// Folders of outputs of the project itself. A folder of sources may have the same name.
const IGNORED_AT_ROOT: [&str; 4] = ["build", "dist", "out", "venv"];
/// Ends of the names of outputs, of files that package managers write during a build, and of backups of editors.
const IGNORED_ENDS: [&str; 6] = [".wasm", ".pyc", ".lock", "package-lock.json", "~", ".tmp"];

/// The files in the current directory and their state.
pub(super) struct Sources {
    files: Files,
    /// The contents of files that have changed.
    contents: BTreeMap<PathBuf, Content>,
}

/// The files whose changes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    /// Those that existed at the last change. A build may write further ones, such as temporary files.
    Known,
}

#[derive(PartialEq, Eq)]
enum Content {
    Missing,
    Hash([u8; 32]),
    TooLarge,
}

type Files = BTreeMap<PathBuf, State>;

/// State of a file: inode, size, and time of the last change in seconds and nanoseconds.
type State = (u64, u64, i64, i64);

/// A change of files.
pub(super) struct Change {
    /// The first file.
    pub(super) path: PathBuf,
    /// The number of files.
    pub(super) count: usize,
    /// The time at which it was noticed.
    pub(super) noticed: Instant,
}

impl Sources {
    /// Looks at the files for the first time.
    pub(super) async fn new() -> Self {
        Self {
            files: look().await.0,
            contents: BTreeMap::new(),
        }
    }

    /// Returns the next change, when nothing more changes. Cancel-safe.
    pub(super) async fn changed(&mut self, scope: Scope) -> Change {
        let mut pause = INTERVAL;
        loop {
            tokio::time::sleep(pause).await;
            let (mut files, time) = self.look(scope).await;
            pause = INTERVAL.max(time * PAUSE_FACTOR);
            if files == self.files {
                continue;
            }
            let noticed = Instant::now();
            while noticed.elapsed() < MAX_DEBOUNCE {
                tokio::time::sleep(pause.min(MAX_DEBOUNCE)).await;
                let later = self.look(scope).await.0;
                if std::mem::replace(&mut files, later) == files {
                    break;
                }
            }
            if let Some(change) = self.take_in(files, noticed) {
                return change;
            }
        }
    }

    /// Returns the change since the last one, without waiting for one.
    pub(super) async fn changed_meanwhile(&mut self) -> Option<Change> {
        let (files, _) = self.look(Scope::All).await;
        self.take_in(files, Instant::now())
    }

    fn take_in(&mut self, files: Files, noticed: Instant) -> Option<Change> {
        let mut changed = difference(&self.files, &files);
        self.files = files;
        changed.retain(|path| self.has_other_content(path));
        let path = changed.first().cloned()?;
        Some(Change {
            path,
            count: changed.len(),
            noticed,
        })
    }

    async fn look(&self, scope: Scope) -> (Files, Duration) {
        let (mut files, time) = look().await;
        if scope == Scope::Known {
            files.retain(|path, _| self.files.contains_key(path));
        }
        (files, time)
    }

    /// Returns whether the content of a file is not that of its last change. A build that writes the same file each time
    /// would otherwise follow itself.
    fn has_other_content(&mut self, path: &Path) -> bool {
        let content = content(path).unwrap_or(Content::Missing);
        let is_other = content == Content::TooLarge || self.contents.get(path) != Some(&content);
        self.contents.insert(path.to_owned(), content);
        is_other
    }
}

fn content(path: &Path) -> io::Result<Content> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_COMPARED_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(match bytes.len() as u64 > MAX_COMPARED_BYTES {
        true => Content::TooLarge,
        false => Content::Hash(Sha256::digest(&bytes).into()),
    })
}

/// Returns the files that are in one of the two only, or in different states.
fn difference(before: &Files, now: &Files) -> Vec<PathBuf> {
    let changed = now
        .iter()
        .filter(|(path, state)| before.get(*path) != Some(state))
        .map(|(path, _)| path);
    let removed = before.keys().filter(|path| !now.contains_key(*path));
    changed.chain(removed).cloned().collect()
}

/// Looks at the files, on a thread that may block. Returns the time that it took, too.
async fn look() -> (Files, Duration) {
    let looking = tokio::task::spawn_blocking(|| {
        let started = Instant::now();
        let mut files = Files::new();
        add(Path::new(""), 0, &mut files);
        (files, started.elapsed())
    });
    // Fails only if the runtime shuts down.
    looking.await.unwrap_or_default()
}

/// Adds the files below a folder. One that cannot be read has none.
fn add(folder: &Path, depth: usize, files: &mut Files) {
    let path = match depth {
        0 => Path::new("."),
        _ => folder,
    };
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if files.len() >= MAX_FILES {
            return;
        }
        let name = entry.file_name();
        let (name, path) = (name.to_string_lossy(), folder.join(&name));
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            if depth < MAX_DEPTH && !is_ignored_folder(&name, depth) {
                add(&path, depth + 1, files);
            }
        } else if !is_ignored_file(&name)
            && let Ok(found) = fs::metadata(&path)
            // A link to a folder is not followed.
            && found.is_file()
        {
            let state = (found.ino(), found.len(), found.mtime(), found.mtime_nsec());
            files.insert(path, state);
        }
    }
}

fn is_ignored_folder(name: &str, depth: usize) -> bool {
    name.starts_with('.')
        || IGNORED_FOLDERS.contains(&name)
        || (depth == 0 && IGNORED_AT_ROOT.contains(&name))
}

fn is_ignored_file(name: &str) -> bool {
    // Hidden files are settings and the swap files of editors.
    name.starts_with('.') || IGNORED_ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_no_sources() {
        for (path, is_ignored) in [
            ("src/lib.rs", false),
            ("src/build/mod.rs", false),
            ("Makefile", false),
            ("wit/tool.wit", false),
            ("target/debug/x.d", true),
            ("crates/a/target/x", true),
            ("node_modules/a/index.js", true),
            ("src/__pycache__/app.py", true),
            ("build/bundle.js", true),
            ("dist/a.js", true),
            (".git/HEAD", true),
            (".venv/bin/python", true),
            ("src/.lib.rs.swp", true),
            ("my-tool.wasm", true),
            ("Cargo.lock", true),
            ("package-lock.json", true),
            ("src/lib.rs~", true),
        ] {
            let parts: Vec<_> = path.split('/').collect();
            let (file, folders) = parts.split_last().expect("a file");
            let folders = folders.iter().enumerate();
            let ignored = is_ignored_file(file)
                || folders
                    .into_iter()
                    .any(|(depth, name)| is_ignored_folder(name, depth));
            assert_eq!(ignored, is_ignored, "{path}");
        }
    }
}
