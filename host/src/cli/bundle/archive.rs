//! Writes the archive. Equal files give an equal archive: the order, the times and the permissions are fixed.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::manifest::PROGRAM;

/// Path of the manifest in the bundle.
const MANIFEST: &str = "manifest.json";
/// Size of all files. Clients unpack a bundle as a whole.
const MAX_BYTES: u64 = 2 << 30;
/// Permissions of the archive, less those that the umask takes away.
const MODE: u32 = 0o666;

/// Writes a bundle with these files, by their paths in it, and replaces one that exists. Returns its size in bytes.
///
/// # Errors
/// One sentence: a file cannot be read, the archive cannot be written, or would be too large.
pub(super) fn write(
    output: &Path,
    files: BTreeMap<String, PathBuf>,
    manifest: &Value,
) -> Result<u64, String> {
    let unwritable =
        |error: io::Error| format!("`{}` cannot be written: {error}", output.display());
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(unwritable)?;
    let mut archive = ZipWriter::new(temporary);
    let manifest = format!("{manifest:#}\n");
    let mut bytes_left = MAX_BYTES;
    for path in sorted(&files) {
        let Some(file) = files.get(path) else {
            start(&mut archive, path).map_err(unwritable)?;
            archive.write_all(manifest.as_bytes()).map_err(unwritable)?;
            continue;
        };
        let unreadable = |error| format!("`{}` cannot be read: {error}", file.display());
        let mut opened = File::open(file).map_err(unreadable)?;
        let size_bytes = opened.metadata().map_err(unreadable)?.len();
        bytes_left = bytes_left.checked_sub(size_bytes).ok_or_else(|| {
            format!("a bundle has at most {MAX_BYTES} bytes before compression; leave out some components")
        })?;
        start(&mut archive, path).map_err(unwritable)?;
        let copied = io::copy(&mut opened, &mut archive).map_err(unwritable)?;
        if copied != size_bytes {
            return Err(format!(
                "`{}` has changed while it was read; repeat the command",
                file.display()
            ));
        }
    }
    let mut temporary = archive.finish().map_err(|error| unwritable(error.into()))?;
    let size_bytes = temporary.stream_position().map_err(unwritable)?;
    let persisted = temporary.persist(output);
    persisted.map_err(|error| unwritable(error.error))?;
    Ok(size_bytes)
}

/// Returns the paths of the files and of the manifest, in order.
fn sorted(files: &BTreeMap<String, PathBuf>) -> Vec<&str> {
    let mut paths: Vec<_> = files.keys().map(String::as_str).collect();
    paths.push(MANIFEST);
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn start<W: Write + Seek>(archive: &mut ZipWriter<W>, path: &str) -> io::Result<()> {
    let mode = match path {
        PROGRAM => 0o755,
        _ => 0o644,
    };
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(mode);
    archive.start_file(path, options).map_err(io::Error::from)
}
