//! Directories of the host that a component may see, each opened once when the component is loaded.
//!
//! A guest cannot leave them: paths are resolved below the opened directory by the kernel (`openat2`), whatever `..` and
//! links say. What is neither a file nor a directory is not opened: a device is not what was meant, and a FIFO would hold
//! a thread until somebody writes to it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types;
use wasmtime_wasi::p2::{FsError, FsResult, ReaddirIterator};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::blocking_pool::Threads;
use super::limits::{MAX_FILE_STREAMS, MAX_LISTED_ENTRIES, MAX_OPEN_FILES};

/// An entry of `dirs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The directory.
    pub host: PathBuf,
    /// What the component calls it: an absolute path.
    pub guest: String,
    /// Whether the component may change what is in it.
    pub write: bool,
}

impl DirGrant {
    /// What is wrong with these entries, each by itself and beside the others.
    pub(super) fn faults(grants: &[Self]) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, grant) in grants.iter().enumerate() {
            let guest = &grant.guest;
            if !is_guest_path(guest) {
                faults.push(format!(
                    "has the guest path {guest:?}; write it absolute and plain, such as \"/data\""
                ));
            }
            for other in &grants[..index] {
                if overlap(Path::new(guest), Path::new(&other.guest)) {
                    faults.push(format!(
                        "has the guest paths {:?} and {guest:?}, of which one lies in the other; \
                         give each a place of its own",
                        other.guest
                    ));
                }
            }
        }
        faults
    }
}

/// Absolute, with no empty, `.` or `..` segment.
fn is_guest_path(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|s| !matches!(s, "" | "." | "..") && !s.contains(['\0', '\\']))
        })
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A directory that has been opened for a component.
pub(super) struct OpenDir {
    dir: Dir,
    guest: String,
}

/// Opens what was granted.
///
/// # Errors
/// One sentence for each directory that cannot be given as written.
pub(super) fn open(grants: &[DirGrant]) -> Result<Vec<OpenDir>, Vec<String>> {
    let mut faults = Vec::new();
    let mut opened = Vec::new();
    let mut places: Vec<(PathBuf, &DirGrant)> = Vec::new();
    for grant in grants {
        match open_one(grant) {
            Ok((dir, place)) => {
                let clash = places
                    .iter()
                    .find(|(other, before)| before.write != grant.write && overlap(&place, other));
                if let Some((_, before)) = clash {
                    faults.push(format!(
                        "gives `{}` and `{}`, of which one lies in the other, for reading and for \
                         writing; the one that may be written would undo the other",
                        before.host.display(),
                        grant.host.display()
                    ));
                }
                places.push((place, grant));
                opened.push(dir);
            }
            Err(error) => faults.push(format!(
                "names `{}`, which cannot be opened as a directory: {error}",
                grant.host.display()
            )),
        }
    }
    if faults.is_empty() {
        Ok(opened)
    } else {
        Err(faults)
    }
}

/// The directory, and where it really is.
fn open_one(grant: &DirGrant) -> std::io::Result<(OpenDir, PathBuf)> {
    let place = grant.host.canonicalize()?;
    if !place.is_dir() {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    let file = File::open(&place)?;
    let (perms, mode) = if grant.write {
        (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
    } else {
        (FsPerms::ReadOnly, OpenMode::READ)
    };
    // File operations go to threads of their own: one that waits for a disk must not hold a thread that serves others.
    let dir = Dir::new(file, perms, mode, false);
    let guest = grant.guest.clone();
    Ok((OpenDir { dir, guest }, place))
}

/// `get-directories`.
pub(super) fn directories(
    dirs: &[OpenDir],
    table: &mut ResourceTable,
) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
    let mut found = Vec::with_capacity(dirs.len());
    for open in dirs {
        let descriptor = table.push(Descriptor::Dir(open.dir.clone()))?;
        found.push((descriptor, open.guest.clone()));
    }
    Ok(found)
}

/// What a call has opened and not yet closed: a stream keeps its file open after the descriptor is gone.
///
/// Each file is held here too, so that the guest is never who closes it: that can wait for a disk.
pub(super) struct OpenFiles {
    files: Vec<Arc<File>>,
    /// Lists of directories, by their handles, and how many entries each has.
    lists: Vec<(u32, usize)>,
    threads: Option<Arc<Threads>>,
}

impl OpenFiles {
    pub(super) fn new(threads: Option<Arc<Threads>>) -> Self {
        Self {
            files: Vec::new(),
            lists: Vec::new(),
            threads,
        }
    }

    pub(super) fn have_room(&mut self) -> bool {
        let closed: Vec<_> = self.files.extract_if(.., |file| uses(file) == 0).collect();
        self.close(closed);
        self.files.len() < MAX_OPEN_FILES
    }

    pub(super) fn add(&mut self, opened: &Descriptor) {
        self.files.push(match opened {
            Descriptor::File(file) => file.file.clone(),
            Descriptor::Dir(dir) => dir.dir.clone(),
        });
    }

    /// Whether one more stream may be made; descriptors and operations that run count as such.
    pub(super) fn may_stream(&self) -> bool {
        let all: usize = self.files.iter().map(uses).sum();
        all < MAX_OPEN_FILES + MAX_FILE_STREAMS
    }

    /// Whether a list of so many entries may be made beside those that there are.
    pub(super) fn may_list(&mut self, table: &ResourceTable, entries: usize) -> bool {
        self.lists.retain(|(list, _)| {
            let list = Resource::<ReaddirIterator>::new_borrow(*list);
            table.get(&list).is_ok()
        });
        let all: usize = self.lists.iter().map(|(_, entries)| entries).sum();
        all + entries <= MAX_LISTED_ENTRIES
    }

    pub(super) fn list(&mut self, list: u32, entries: usize) {
        self.lists.push((list, entries));
    }

    fn close(&self, closed: Vec<Arc<File>>) {
        if let (false, Some(threads)) = (closed.is_empty(), &self.threads) {
            threads.drop_there(closed);
        }
    }
}

impl Drop for OpenFiles {
    fn drop(&mut self) {
        let all = std::mem::take(&mut self.files);
        self.close(all);
    }
}

/// Who has the file beside [`OpenFiles`].
fn uses(file: &Arc<File>) -> usize {
    Arc::strong_count(file) - 1
}

/// `open-at`, for files and directories alone.
pub(super) async fn open_at(
    mut files: WasiFilesystemCtxView<'_>,
    descriptor: Resource<Descriptor>,
    path: String,
    (path_flags, open_flags, flags): (types::PathFlags, types::OpenFlags, types::DescriptorFlags),
) -> wasmtime::Result<Result<Resource<Descriptor>, types::ErrorCode>> {
    use types::HostDescriptor;

    let opened = async {
        let same = Resource::new_borrow(descriptor.rep());
        is_openable(files.stat_at(same, path_flags, path.clone()).await)?;
        files
            .open_at(descriptor, path_flags, path, open_flags, flags)
            .await
    };
    let opened = opened.await;
    told(files, opened)
}

/// The entries that a list of the directory would have, or more than any may have.
pub(super) async fn entries(descriptor: &Descriptor) -> Result<usize, types::ErrorCode> {
    let Descriptor::Dir(dir) = descriptor else {
        return Err(types::ErrorCode::NotDirectory);
    };
    let dir = dir.dir.clone();
    let counting = tokio::task::spawn_blocking(move || {
        // The standard library has no other way from an open directory to what is in it.
        let entries = std::fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
        Ok(entries.take(MAX_LISTED_ENTRIES + 1).count())
    });
    let counted: std::io::Result<usize> = counting.await.unwrap_or_else(|error| Err(error.into()));
    counted.map_err(|error| types::ErrorCode::from(&error))
}

/// What a guest is told of it.
pub(super) fn told<T>(
    mut files: WasiFilesystemCtxView<'_>,
    done: FsResult<T>,
) -> wasmtime::Result<Result<T, types::ErrorCode>> {
    use types::Host;

    match done {
        Ok(done) => Ok(Ok(done)),
        Err(error) => Ok(Err(files.convert_error_code(error)?)),
    }
}

/// What is not there may be made, and what cannot be asked about cannot be opened either.
fn is_openable(found: FsResult<types::DescriptorStat>) -> Result<(), FsError> {
    use types::DescriptorType::{Directory, RegularFile, SymbolicLink};
    match found {
        Ok(stat) if !matches!(stat.type_, RegularFile | Directory | SymbolicLink) => {
            Err(types::ErrorCode::NotPermitted.into())
        }
        _ => Ok(()),
    }
}
