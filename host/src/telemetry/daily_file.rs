//! A file of lines that is renamed each day, after its day, and kept for some days.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Permissions of the file: it names callers.
const FILE_MODE: u32 = 0o640;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Files of one day, if the clock goes back.
const MAX_FILES_PER_DAY: u32 = 100;

/// The number of times that the files were asked to be opened again.
static REOPENS: AtomicU64 = AtomicU64::new(0);

/// Opens the files of the log and of the audit again before the next line, after another program has renamed them.
pub fn reopen_files() {
    REOPENS.fetch_add(1, Ordering::Relaxed);
}

/// Checks that a file of the log or the audit can be written, without changing it. Another process may write it.
///
/// # Errors
/// It cannot be written, or it is missing and cannot be created.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tempfile::tempfile_in(directory(path)).map(drop)
        }
        opened => opened.map(drop),
    }
}

/// A file to which lines are appended. The day ends at midnight UTC.
pub(super) struct DailyFile {
    path: PathBuf,
    keep_days: u32,
    /// Whether other processes must not write the file.
    is_exclusive: bool,
    file: File,
    /// The last file that was renamed, if the file is exclusive: its end may not be on the disk.
    renamed: Option<File>,
    /// The day of its lines, counted from 1970.
    day: u64,
    bytes: u64,
    reopens: u64,
}

impl DailyFile {
    /// Opens the file to append to it, or creates it. Lines of an earlier day are moved away.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn open(path: &Path, keep_days: u32) -> io::Result<Self> {
        Self::new(path, keep_days, false)
    }

    /// Opens the file for this process alone.
    ///
    /// # Errors
    /// The file cannot be written, or another process has opened it so.
    pub(super) fn open_exclusive(path: &Path, keep_days: u32) -> io::Result<Self> {
        Self::new(path, keep_days, true)
    }

    fn new(path: &Path, keep_days: u32, is_exclusive: bool) -> io::Result<Self> {
        let mut daily = Self {
            path: path.to_owned(),
            keep_days,
            is_exclusive,
            file: open(path, is_exclusive)?,
            renamed: None,
            day: 0,
            bytes: 0,
            reopens: REOPENS.load(Ordering::Relaxed),
        };
        daily.read_state()?;
        Ok(daily)
    }

    /// Appends a line, which ends with a line break. Nothing of it is left if it cannot be written whole.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.prepare()?;
        if let Err(error) = self.file.write_all(line) {
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Returns the files that may have to be synchronised with the disk: an exclusive one that was renamed, until
    /// [`DailyFile::forget_renamed`], and the one to which lines are appended now.
    ///
    /// # Errors
    /// The process has no further file descriptor.
    pub(super) fn files(&self) -> io::Result<Vec<File>> {
        let files = self.renamed.iter().chain([&self.file]);
        files.map(File::try_clone).collect()
    }

    /// Closes the renamed file.
    pub(super) fn forget_renamed(&mut self) {
        self.renamed = None;
    }

    /// Renames or opens the file again if it is time to.
    fn prepare(&mut self) -> io::Result<()> {
        let reopens = REOPENS.load(Ordering::Relaxed);
        if reopens != self.reopens {
            if !self.is_at_path() {
                self.replace()?;
                self.read_state()?;
            }
            self.reopens = reopens;
        }
        let today = day_of(SystemTime::now());
        if today != self.day {
            if self.bytes > 0 && self.move_away().is_ok() {
                self.replace()?;
                self.bytes = 0;
            }
            // A file that cannot be renamed goes on for another day.
            self.day = today;
            self.remove_old(today);
        }
        Ok(())
    }

    /// Opens the file at the path instead of the one that was renamed.
    fn replace(&mut self) -> io::Result<()> {
        let renamed = std::mem::replace(&mut self.file, open(&self.path, self.is_exclusive)?);
        self.renamed = self.is_exclusive.then_some(renamed);
        Ok(())
    }

    /// Returns whether the path still leads to the file. Opened twice, it could not be locked.
    fn is_at_path(&self) -> bool {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let at_path = std::fs::metadata(&self.path).map(identity);
        let opened = self.file.metadata().map(identity);
        matches!((at_path, opened), (Ok(at_path), Ok(opened)) if at_path == opened)
    }

    /// Reads the length of the file again, after it was changed otherwise.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read_state(&mut self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        self.bytes = metadata.len();
        self.day = match self.bytes {
            0 => day_of(SystemTime::now()),
            _ => day_of(metadata.modified()?),
        };
        Ok(())
    }

    fn move_away(&self) -> io::Result<()> {
        let target = dated(&self.path, self.day);
        let further = (1..MAX_FILES_PER_DAY).map(|n| with_suffix(&target, &n.to_string()));
        for candidate in std::iter::once(target.clone()).chain(further) {
            if !candidate.exists() {
                return std::fs::rename(&self.path, candidate);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Removes files of this path whose day is over for longer than they are kept.
    fn remove_old(&self, today: u64) {
        let first_kept = date(today.saturating_sub(self.keep_days.into()));
        for (day, path) in dated_files(&self.path) {
            if day < first_kept {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl Write for DailyFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the files of earlier days and their dates, oldest first.
pub(super) fn dated_files(path: &Path) -> Vec<(String, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}.");
    let entries = std::fs::read_dir(directory(path))
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let date = name.strip_prefix(&prefix)?.get(..DATE_LENGTH)?.to_owned();
            is_date(&date).then(|| (date, entry.path()))
        })
        .collect();
    files.sort();
    files
}

/// Length of a date, such as `2026-11-28`.
const DATE_LENGTH: usize = 10;

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn is_date(text: &str) -> bool {
    let is_expected = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == DATE_LENGTH && text.bytes().enumerate().all(is_expected)
}

fn open(path: &Path, is_exclusive: bool) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(path)?;
    if is_exclusive {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another process writes it"),
            TryLockError::Error(error) => error,
        })?;
    }
    Ok(file)
}

fn day_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / DAY.as_secs()
}

fn date(day: u64) -> String {
    let time = UNIX_EPOCH + DAY * u32::try_from(day).unwrap_or_default();
    let mut text = humantime::format_rfc3339_seconds(time).to_string();
    text.truncate(DATE_LENGTH);
    text
}

fn dated(path: &Path, day: u64) -> PathBuf {
    with_suffix(path, &date(day))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_earlier_day_are_moved_away_and_kept_for_some_days() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let now = SystemTime::now();
        let today = day_of(now);
        for (age, suffix) in [(1, ""), (2, ""), (3, ""), (3, ".1"), (40, "")] {
            std::fs::write(
                format!("{}{suffix}", dated(&path, today - age).display()),
                "old",
            )
            .unwrap();
        }
        std::fs::write(dir.path().join("x.log.2000-01"), "other").unwrap();
        std::fs::write(&path, "yesterday\n").unwrap();
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(now - DAY)
            .unwrap();

        let mut file = DailyFile::open(&path, 2).unwrap();
        file.append(b"today\n").unwrap();
        file.append(b"still\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "today\nstill\n");
        let files: Vec<_> = dated_files(&path)
            .into_iter()
            .map(|(date, _)| date)
            .collect();
        assert_eq!(files, [date(today - 2), date(today - 1), date(today - 1)]);
        assert!(dir.path().join("x.log.2000-01").exists());

        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        file.append(b"moved\n").unwrap();
        assert!(!path.exists());
        reopen_files();
        file.append(b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn the_end_of_an_exclusive_file_can_be_synchronised_after_it_was_renamed() {
        for (is_exclusive, expected) in [(true, 2), (false, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.jsonl");
            let mut file = DailyFile::new(&path, 1, is_exclusive).unwrap();
            file.append(b"old\n").unwrap();
            std::fs::rename(&path, dir.path().join("renamed")).unwrap();
            reopen_files();
            file.append(b"new\n").unwrap();
            assert_eq!(file.files().unwrap().len(), expected);
            file.forget_renamed();
            assert_eq!(file.files().unwrap().len(), 1);
        }
    }
}
