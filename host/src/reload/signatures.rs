//! The signature files beside a component's file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::reference::SIGNATURE_EXTENSIONS;
use crate::trust::{Content, Evidence, MAX_SIGNATURE_BYTES, Signature};

/// Reads the signatures beside the file of a component.
pub(super) fn beside(component: &Path) -> Evidence {
    let mut evidence = Evidence::default();
    for extension in SIGNATURE_EXTENSIONS {
        let mut path = OsString::from(component);
        path.push(extension);
        let path = PathBuf::from(path);
        let place = path.display().to_string();
        let content = match read(&path) {
            Ok(text) if extension == ".minisig" => Content::Minisign(text),
            Ok(text) => Content::Bundle(text),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                evidence.searched.push(place);
                continue;
            }
            Err(error) => Content::Unreadable(error.to_string()),
        };
        evidence.signatures.push(Signature { place, content });
    }
    evidence
}

fn read(path: &Path) -> io::Result<String> {
    // Without the flag, opening a pipe waits for its writer.
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    let mut limited = file.take(MAX_SIGNATURE_BYTES + 1);
    match limited.read_to_string(&mut text) {
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(io::Error::other("it is not text"))
        }
        Err(error) => Err(error),
        Ok(_) if text.len() as u64 > MAX_SIGNATURE_BYTES => Err(io::Error::other(format!(
            "it is larger than {MAX_SIGNATURE_BYTES} bytes"
        ))),
        Ok(_) => Ok(text),
    }
}
