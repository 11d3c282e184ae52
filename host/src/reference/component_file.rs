//! One component's file.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::error::{MAX_COMPONENT_BYTES, ReferenceError};
use super::fingerprint::Fingerprint;
use super::remote::Remote;

/// Maximum time to wait for the writer of a pipe.
const MAX_PIPE_WAIT: Duration = Duration::from_secs(10);

/// One file that a reference resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    /// Path as the reference names it, not canonical. For a remote reference, the path of the fetched file.
    pub path: PathBuf,
    /// File name without its extension.
    pub stem: String,
    /// Selected tools, as the component names them; `None` means all.
    pub tools: Option<Vec<String>>,
    /// The place that a remote component was fetched from.
    pub origin: Option<Origin>,
}

/// The place that a component was fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The place.
    pub remote: Remote,
    /// Digest of the fetched bytes: `sha256:…`.
    pub digest: String,
    /// Digest of the manifest, in a registry, if it is known.
    pub manifest: Option<String>,
}

impl ComponentFile {
    /// Returns the component in a file.
    pub fn local(path: PathBuf) -> Self {
        Self::new(path, None)
    }

    pub(super) fn new(path: PathBuf, tools: Option<Vec<String>>) -> Self {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self {
            path,
            stem,
            tools,
            origin: None,
        }
    }

    /// Returns the path of a local file, or the place of a remote component, whose file changes with its content.
    pub fn name(&self) -> PathBuf {
        match &self.origin {
            Some(origin) => origin.remote.to_string().into(),
            None => self.path.clone(),
        }
    }

    /// Adds the tools that another reference selects of the same file.
    pub fn merge(&mut self, other: Self) {
        self.tools = match (self.tools.take(), other.tools) {
            (Some(own), Some(others)) => Some([own, others].concat()),
            _ => None,
        };
    }

    /// Reads the component's bytes, and its fingerprint from before they were read. Returns `None` if the file still
    /// has the fingerprint `known`.
    ///
    /// # Errors
    /// The file cannot be read or is too large, or nobody writes into the pipe.
    pub fn read(
        &self,
        known: Option<Fingerprint>,
    ) -> Result<Option<(Vec<u8>, Fingerprint)>, ReferenceError> {
        let name = || self.name().display().to_string();
        let unreadable = |e| ReferenceError::Unreadable(name(), e);
        // Opened even if the fingerprint is known: network file systems refresh a file's metadata when it is opened.
        // Without the flag, opening a pipe waits for its writer.
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&self.path)
            .map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let is_pipe = metadata.file_type().is_fifo();
        if !is_pipe && !metadata.is_file() {
            return Err(unreadable(io::Error::other(
                "it is neither a file nor a pipe",
            )));
        }
        let fingerprint = Fingerprint::of(&metadata);
        if known == Some(fingerprint) {
            return Ok(None);
        }
        if fingerprint.size_bytes > MAX_COMPONENT_BYTES {
            return Err(ReferenceError::TooLarge(name()));
        }
        // Sized once: a growing buffer would leave several times the file's size in freed memory.
        let mut bytes = Vec::with_capacity(fingerprint.size_bytes as usize);
        // The file may have grown since its size was read.
        let mut file = file.take(MAX_COMPONENT_BYTES + 1);
        match is_pipe {
            true => PipeReader(file).read_to_end(&mut bytes),
            false => file.read_to_end(&mut bytes),
        }
        .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_COMPONENT_BYTES {
            return Err(ReferenceError::TooLarge(name()));
        }
        Ok(Some((bytes, fingerprint)))
    }
}

/// Reads a pipe that was opened without blocking. Waits for each part up to [`MAX_PIPE_WAIT`].
struct PipeReader(io::Take<File>);

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wait = Timespec::try_from(MAX_PIPE_WAIT).map_err(io::Error::other)?;
        loop {
            let mut pipe = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
            match poll(&mut pipe, Some(&wait)) {
                Ok(0) => {
                    let seconds = MAX_PIPE_WAIT.as_secs();
                    let reason = format!("nobody wrote into the pipe for {seconds} s");
                    return Err(io::Error::new(ErrorKind::TimedOut, reason));
                }
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

/// The extensions that a signature file has after the name of its component: minisign's, and those of Sigstore bundles.
pub const SIGNATURE_EXTENSIONS: [&str; 3] = [".minisig", ".sigstore.json", ".bundle"];

/// Returns whether this is the name of a signature file of a component in a directory.
pub(super) fn has_signature_name(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let mut components = SIGNATURE_EXTENSIONS
        .iter()
        .filter_map(|extension| name.strip_suffix(extension));
    components.any(|component| has_component_name(Path::new(component)))
}

/// Pattern of the names that [`has_component_name`] accepts, and of hidden ones.
pub(super) const COMPONENT_NAMES: &str = "*.[wW][aA][sS][mM]";

/// Returns whether a directory reference includes a file with this name: it ends in `.wasm`, in any case. Hidden files are
/// left out, such as `._tool.wasm`, which macOS writes beside `tool.wasm` on other file systems.
pub(super) fn has_component_name(path: &Path) -> bool {
    let is_hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_component = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"));
    is_component && !is_hidden
}

/// How glob patterns match: like a shell, `*` matches no hidden file and no path separator.
pub(super) const GLOB_OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};
