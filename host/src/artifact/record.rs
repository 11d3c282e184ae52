//! Records about references: the digest that each had when it was last resolved. With them, a start needs no network.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::body::digest;
use super::error::shown;
use crate::cache::{CacheDir, RECORD_EXTENSION, RECORDS};
use crate::json::{self, DuplicateKeys};
use crate::reference::{Remote, is_digest};

/// Upper limit of a record: a reference, two digests and a validator.
const MAX_RECORD_BYTES: u64 = 8 << 10;
/// Upper limit of the validator of a web server that is kept.
const MAX_ETAG_BYTES: usize = 1024;

/// The last known state of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Digest of the component.
    pub(super) digest: String,
    /// Digest of the manifest, in a registry.
    pub(super) manifest: Option<String>,
    /// Validator of the file (RFC 9110 §8.8.3), on a web server.
    pub(super) etag: Option<String>,
    /// Time at which the reference was resolved, in whole seconds.
    pub(super) time: SystemTime,
}

impl Record {
    /// Creates the record of a reference that was resolved just now.
    pub(super) fn new(digest: &str, manifest: Option<String>, etag: Option<&str>) -> Self {
        Self {
            digest: digest.to_owned(),
            manifest,
            etag: etag
                .filter(|etag| etag.len() <= MAX_ETAG_BYTES)
                .map(str::to_owned),
            time: SystemTime::now(),
        }
    }

    /// Returns the record of a reference, if there is a valid one.
    pub(super) fn read(dir: &CacheDir, remote: &Remote) -> Option<Self> {
        let path = path(dir, remote);
        let record = Self::parse(&dir.read(&path, MAX_RECORD_BYTES)?, remote);
        if record.is_none() {
            CacheDir::remove_invalid(&path, &"it is not a valid record");
        }
        record
    }

    fn parse(bytes: &[u8], remote: &Remote) -> Option<Self> {
        let document = json::parse(bytes, DuplicateKeys::Reject).ok()?;
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let seconds = document.get("time").and_then(Value::as_u64)?;
        let digest = text("digest").filter(|digest| is_digest(digest))?;
        let manifest = text("manifest");
        let is_valid = manifest.as_deref().is_none_or(is_digest);
        (is_valid && text("reference")? == remote.to_string()).then_some(Self {
            digest,
            manifest,
            etag: text("etag"),
            time: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?,
        })
    }

    /// Writes the record. A failure is logged: only the next start without network misses it.
    pub(super) fn write(&self, dir: &CacheDir, remote: &Remote) {
        let path = path(dir, remote);
        let seconds = self.time.duration_since(SystemTime::UNIX_EPOCH);
        let document = json!({
            "reference": remote.to_string(),
            "digest": self.digest,
            "manifest": self.manifest,
            "etag": self.etag,
            "time": seconds.unwrap_or_default().as_secs(),
        });
        let written = dir.write(&path, document.to_string().as_bytes());
        if let Err(error) = written {
            tracing::warn!(
                component.reference = %shown(&remote.to_string()), %error,
                "the digest of a reference is not kept, so that a start needs the network"
            );
        }
    }

    /// Formats the time for people.
    pub(super) fn time_text(&self) -> String {
        humantime::format_rfc3339_seconds(self.time).to_string()
    }
}

fn path(dir: &CacheDir, remote: &Remote) -> PathBuf {
    let name = digest(remote.to_string().as_bytes());
    let name = name.trim_start_matches("sha256:");
    let file = format!("{name}.{RECORD_EXTENSION}");
    dir.root().join(RECORDS).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;

    #[test]
    fn records_are_read_back_unless_they_are_damaged() {
        let remote = |text: &str| {
            let reference = Reference::parse(text, "".as_ref()).expect("a reference");
            reference.remote().expect("remote").clone()
        };
        let (first, second) = (remote("oci://a.b/c:1"), remote("oci://a.b/c:2"));
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = CacheDir::open(temporary.path(), 1 << 20).expect("opened");
        let mut record = Record::new(&digest(b"x"), Some(digest(b"y")), Some("\"e\""));
        record.time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        record.write(&dir, &first);
        assert_eq!(Record::read(&dir, &first).as_ref(), Some(&record));
        assert_eq!(record.time_text(), "2027-01-15T08:00:00Z");
        assert_eq!(Record::read(&dir, &second), None);
        let written = std::fs::read_to_string(path(&dir, &first)).expect("written");
        for damaged in [
            written[..written.len() / 2].to_owned(),
            written.replace("c:1", "c:2"),
            written.replace("sha256:", "sha512:"),
            written.replace("1800000000", "-1"),
            "[]".to_owned(),
            String::new(),
        ] {
            std::fs::write(path(&dir, &first), &damaged).expect("written");
            assert_eq!(Record::read(&dir, &first), None, "{damaged}");
            assert!(!path(&dir, &first).exists(), "{damaged}");
        }
    }
}
