//! Reads the lines of an audit file, and finds the last one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Length of a line. Records are much shorter, since texts of clients and arguments in them are limited.
pub(super) const MAX_LINE_BYTES: u64 = 1 << 20;

/// Reads lines without their line breaks.
pub(super) struct Lines(BufReader<File>);

/// A line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Complete(Vec<u8>),
    /// The last line, without a line break: its writer was stopped while it wrote.
    Torn,
    TooLong,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(File::open(path)?)))
    }

    /// Returns the next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.0).take(MAX_LINE_BYTES);
        limited.read_until(b'\n', &mut line)?;
        Ok(match line.pop() {
            None => None,
            Some(b'\n') => Some(Line::Complete(line)),
            Some(_) if line.len() as u64 + 1 == MAX_LINE_BYTES => Some(Line::TooLong),
            Some(_) => Some(Line::Torn),
        })
    }
}

/// Removes a torn last line, and returns the last complete one, without its line break; `None` in an empty file.
///
/// # Errors
/// The file cannot be read or changed, or its last line is too long for a record.
pub(super) fn repair(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(2 * MAX_LINE_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    (&mut file).take(2 * MAX_LINE_BYTES).read_to_end(&mut end)?;
    let complete = end
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "it is not an audit file");
    if complete < end.len() {
        if complete == 0 && start > 0 {
            return Err(too_long());
        }
        file.set_len(start + complete as u64)?;
    }
    end.truncate(complete);
    let Some(b'\n') = end.pop() else {
        return Ok(None);
    };
    let before = end.iter().rposition(|byte| *byte == b'\n');
    if before.is_none() && start > 0 {
        return Err(too_long());
    }
    Ok(Some(end.split_off(before.map_or(0, |at| at + 1))))
}
