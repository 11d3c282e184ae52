//! Counts the files, streams and directory listings that one call has open.

use std::fs::File;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::ReaddirIterator;

use super::super::blocking_pool::BlockingPool;
use super::super::limits::{MAX_FILE_STREAMS, MAX_LISTED_ENTRIES, MAX_OPEN_FILES};

/// The files and listings of one call that are still open.
///
/// A stream keeps its file open after the descriptor has been dropped, so files are tracked by their reference counts.
/// `OpenFiles` holds the last reference and closes the file on the blocking pool, because closing can wait for a disk.
pub(in crate::sandbox) struct OpenFiles {
    files: Vec<Arc<File>>,
    /// Handle and number of entries of each directory listing.
    listings: Vec<(u32, usize)>,
    blocking_pool: Option<Arc<BlockingPool>>,
}

impl OpenFiles {
    pub(in crate::sandbox) fn new(blocking_pool: Option<Arc<BlockingPool>>) -> Self {
        Self {
            files: Vec::new(),
            listings: Vec::new(),
            blocking_pool,
        }
    }

    /// Whether the call may open another file. Closes the files that the guest no longer uses.
    pub(in crate::sandbox) fn has_room_for_file(&mut self) -> bool {
        let unused = self
            .files
            .extract_if(.., |file| reference_count(file) == 0)
            .collect();
        self.close(unused);
        self.files.len() < MAX_OPEN_FILES
    }

    pub(in crate::sandbox) fn add_file(&mut self, opened: &Descriptor) {
        self.files.push(match opened {
            Descriptor::File(file) => file.file.clone(),
            Descriptor::Dir(dir) => dir.dir.clone(),
        });
    }

    /// Whether the call may open another stream. Descriptors and running operations count like streams.
    pub(in crate::sandbox) fn has_room_for_stream(&self) -> bool {
        let references: usize = self.files.iter().map(reference_count).sum();
        references < MAX_OPEN_FILES + MAX_FILE_STREAMS
    }

    /// Whether the call may open another listing with this many entries.
    pub(in crate::sandbox) fn has_room_for_listing(
        &mut self,
        table: &ResourceTable,
        entries: usize,
    ) -> bool {
        self.listings.retain(|(handle, _)| {
            let listing = Resource::<ReaddirIterator>::new_borrow(*handle);
            table.get(&listing).is_ok()
        });
        let open_entries: usize = self.listings.iter().map(|(_, entries)| entries).sum();
        open_entries + entries <= MAX_LISTED_ENTRIES
    }

    pub(in crate::sandbox) fn add_listing(&mut self, handle: u32, entries: usize) {
        self.listings.push((handle, entries));
    }

    fn close(&self, files: Vec<Arc<File>>) {
        if let (false, Some(pool)) = (files.is_empty(), &self.blocking_pool) {
            pool.drop_in_background(files);
        }
    }
}

impl Drop for OpenFiles {
    fn drop(&mut self) {
        let files = std::mem::take(&mut self.files);
        self.close(files);
    }
}

/// References to the file other than the one of [`OpenFiles`].
fn reference_count(file: &Arc<File>) -> usize {
    Arc::strong_count(file) - 1
}
