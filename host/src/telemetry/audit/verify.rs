//! Verifies audit files: each line must follow from the one before.

use std::io;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::lines::{Line, Lines};

/// The result of a verification without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of records.
    pub records: u64,
    /// The numbers of the first and the last record.
    pub numbers: (u64, u64),
    /// The digest of the last line. A copy of it elsewhere shows whether records were removed at the end.
    pub digest: String,
    /// Whether the last line is incomplete, because the process was killed while it wrote.
    pub is_torn: bool,
}

/// A fault in an audit file. `Display` is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("`{}` cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A line is not a record.
    #[error("`{}`, line {line}, is not an audit record", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// A line does not follow from the one before.
    #[error(
        "`{}`, line {line}, does not follow from the line before: records were changed, added, removed or moved",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// A report would have more groups than this.
    #[error("there are more than {0} groups; name less files, or sum up by day")]
    TooManyGroups(usize),
    /// There is no record in the files.
    #[error("there is no audit record")]
    Empty,
}

/// Verifies files that follow one another, the oldest first.
///
/// # Errors
/// The first fault.
pub fn verify(files: &[PathBuf]) -> Result<Verified, Fault> {
    let mut chain: Option<Chain> = None;
    let mut verified = Verified {
        records: 0,
        numbers: (0, 0),
        digest: String::new(),
        is_torn: false,
    };
    for path in files {
        verified.is_torn = verify_file(path, &mut chain, &mut verified)?;
    }
    let chain = chain.ok_or(Fault::Empty)?;
    verified.numbers.1 = chain.number;
    verified.digest = chain.digest;
    Ok(verified)
}

/// Returns whether the last line is torn.
fn verify_file(
    path: &Path,
    chain: &mut Option<Chain>,
    verified: &mut Verified,
) -> Result<bool, Fault> {
    let unreadable = |error| Fault::Unreadable {
        path: path.to_owned(),
        error,
    };
    let mut lines = Lines::open(path).map_err(unreadable)?;
    let mut number = 0;
    while let Some(line) = lines.next().map_err(unreadable)? {
        number += 1;
        let not_a_record = || Fault::NotARecord {
            path: path.to_owned(),
            line: number,
        };
        let line = match line {
            Line::Complete(line) => line,
            Line::Torn => return Ok(true),
            Line::TooLong => return Err(not_a_record()),
        };
        let (previous, next) = Chain::ending_with(&line).ok_or_else(not_a_record)?;
        match chain {
            None => verified.numbers.0 = next.number,
            Some(chain) if next.number == chain.number + 1 && previous == chain.digest => {}
            Some(_) => {
                return Err(Fault::Broken {
                    path: path.to_owned(),
                    line: number,
                });
            }
        }
        verified.records += 1;
        *chain = Some(next);
    }
    Ok(false)
}
