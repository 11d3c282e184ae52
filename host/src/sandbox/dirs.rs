//! Directories of the host that a component may see, each opened once when the component is loaded.
//!
//! A guest cannot leave them: paths are resolved below the opened directory by the kernel (`openat2`), whatever `..` and
//! links say. What is neither a file nor a directory is not opened: a device is not what was meant, and a FIFO would hold
//! a thread until somebody writes to it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::limits::MAX_OPEN_FILES;

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

/// `wasi:filesystem/preopens` of one call.
pub(super) struct Preopens<'a> {
    pub(super) dirs: &'a Arc<[OpenDir]>,
    pub(super) table: &'a mut ResourceTable,
}

/// The type of [`Preopens`] for a linker.
pub(super) struct HasPreopens;

impl HasData for HasPreopens {
    type Data<'a> = Preopens<'a>;
}

impl preopens::Host for Preopens<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mut found = Vec::with_capacity(self.dirs.len());
        for open in self.dirs.iter() {
            let descriptor = self.table.push(Descriptor::Dir(open.dir.clone()))?;
            found.push((descriptor, open.guest.clone()));
        }
        Ok(found)
    }
}

/// What a call has opened and not yet closed: a stream keeps its file open after the descriptor is gone.
#[derive(Default)]
pub(super) struct OpenFiles(Vec<Weak<File>>);

impl OpenFiles {
    fn have_room(&mut self) -> bool {
        self.0.retain(|file| file.strong_count() > 0);
        self.0.len() < MAX_OPEN_FILES
    }

    fn add(&mut self, opened: &Descriptor) {
        self.0.push(Arc::downgrade(match opened {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(dir) => &dir.dir,
        }));
    }
}

/// `open-at`, for files and directories alone, and so many at once.
pub(super) async fn open_at(
    mut files: WasiFilesystemCtxView<'_>,
    open: &mut OpenFiles,
    descriptor: Resource<Descriptor>,
    path: String,
    (path_flags, open_flags, flags): (types::PathFlags, types::OpenFlags, types::DescriptorFlags),
) -> wasmtime::Result<Result<Resource<Descriptor>, types::ErrorCode>> {
    use types::{Host, HostDescriptor};

    if !open.have_room() {
        tracing::info!(limit.files = MAX_OPEN_FILES, "file not opened");
        // There is no code for too many open files.
        return Ok(Err(types::ErrorCode::InsufficientMemory));
    }
    let opened = async {
        let same = Resource::new_borrow(descriptor.rep());
        is_openable(files.stat_at(same, path_flags, path.clone()).await)?;
        let opened = files
            .open_at(descriptor, path_flags, path, open_flags, flags)
            .await?;
        open.add(files.table.get(&opened)?);
        Ok(opened)
    };
    match opened.await {
        Ok(opened) => Ok(Ok(opened)),
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
