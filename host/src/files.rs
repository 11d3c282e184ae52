//! Reads files that the configuration or a component's place names, which may be anything: a pipe, a device, a huge file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Returns the content of a regular file of at most `max_bytes`, without ever waiting for a writer.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger.
pub(crate) fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Without the flag, opening a pipe waits for its writer.
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::other(format!(
            "it is larger than {max_bytes} bytes"
        )));
    }
    Ok(bytes)
}

/// Like [`read_regular`], of text.
///
/// # Errors
/// The same, or it is not UTF-8.
pub(crate) fn read_regular_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    let bytes = read_regular(path, max_bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text"))
}
