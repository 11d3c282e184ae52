//! Functions of `wasi:filesystem` that the host implements with checks of its own.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::super::limits::MAX_LISTED_ENTRIES;
use super::dir_grant::OpenDir;
use crate::telemetry::grant_used;

/// Implements `get-directories`.
pub(in crate::sandbox) fn get_directories(
    dirs: &[OpenDir],
    table: &mut ResourceTable,
) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
    let mut directories = Vec::with_capacity(dirs.len());
    for open in dirs {
        let descriptor = table.push(Descriptor::Dir(open.dir.clone()))?;
        directories.push((descriptor, open.guest_path.clone()));
    }
    Ok(directories)
}

/// Implements `open-at`. Opens only files and directories.
pub(in crate::sandbox) async fn open_at(
    mut files: WasiFilesystemCtxView<'_>,
    dirs: &[OpenDir],
    descriptor: Resource<Descriptor>,
    path: String,
    (path_flags, open_flags, flags): (types::PathFlags, types::OpenFlags, types::DescriptorFlags),
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    use types::HostDescriptor;

    let granted =
        granted_dir(dirs, files.table.get(&descriptor)?).map(|dir| dir.guest_path.clone());
    let opened = async {
        let same = Resource::new_borrow(descriptor.rep());
        reject_special_file(files.stat_at(same, path_flags, path.clone()).await)?;
        files
            .open_at(descriptor, path_flags, path, open_flags, flags)
            .await
    };
    let opened = opened.await;
    let opened = to_guest_result(files, opened)?;
    if let Some(guest_path) = granted {
        grant_used(
            "dirs",
            &guest_path,
            !matches!(&opened, Err(error) if is_denial(*error)),
        );
    }
    Ok(opened)
}

/// Returns the granted directory that a descriptor is; `None` for a directory below it, which was opened through it.
fn granted_dir<'d>(dirs: &'d [OpenDir], descriptor: &Descriptor) -> Option<&'d OpenDir> {
    let Descriptor::Dir(descriptor) = descriptor else {
        return None;
    };
    dirs.iter()
        .find(|open| Arc::ptr_eq(&open.dir.dir, &descriptor.dir))
}

/// Whether the host refused an operation, and not the guest's own mistake prevented it.
fn is_denial(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NotPermitted | ErrorCode::Access | ErrorCode::ReadOnly
    )
}

/// Rejects devices, FIFOs and sockets.
///
/// An error of `stat-at` is ignored: `open-at` may create a missing file, and reports any other error itself.
fn reject_special_file(stat: FsResult<types::DescriptorStat>) -> Result<(), FsError> {
    use types::DescriptorType::{Directory, RegularFile, SymbolicLink};
    match stat {
        Ok(stat) if !matches!(stat.type_, RegularFile | Directory | SymbolicLink) => {
            Err(ErrorCode::NotPermitted.into())
        }
        _ => Ok(()),
    }
}

/// Counts the entries of a directory, up to one more than [`MAX_LISTED_ENTRIES`].
pub(in crate::sandbox) async fn count_entries(descriptor: &Descriptor) -> Result<usize, ErrorCode> {
    let Descriptor::Dir(dir) = descriptor else {
        return Err(ErrorCode::NotDirectory);
    };
    let dir = dir.dir.clone();
    let count = tokio::task::spawn_blocking(move || {
        // The standard library cannot list an open directory other than by this path.
        let entries = std::fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
        Ok(entries.take(MAX_LISTED_ENTRIES + 1).count())
    });
    let count: std::io::Result<usize> = count.await.unwrap_or_else(|error| Err(error.into()));
    count.map_err(|error| ErrorCode::from(&error))
}

/// Splits the result of a file operation into the error code for the guest and the trap for wasmtime.
pub(in crate::sandbox) fn to_guest_result<T>(
    mut files: WasiFilesystemCtxView<'_>,
    result: FsResult<T>,
) -> wasmtime::Result<Result<T, ErrorCode>> {
    use types::Host;

    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(files.convert_error_code(error)?)),
    }
}
