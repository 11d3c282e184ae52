//! Settings of the binary for loading components: the compiler process, and the progress on a terminal.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::config::Config;

/// Time from the start, and from one update to the next, before progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Makes this binary the compiler, and shows progress if standard error is a terminal.
pub(super) fn configure_loading(config: &mut Config) {
    config.compiler = own_program();
    if std::io::stderr().is_terminal() {
        config.on_fetch_progress = Some(|done, total| show_progress("fetching", done, total));
        config.on_load_progress = Some(|done, total| show_progress("loading", done, total));
    }
}

/// Returns the path of this program; `None` if the system does not tell it.
fn own_program() -> Option<PathBuf> {
    // Leads to the running program even after its file was replaced by another version.
    let running = Path::new("/proc/self/exe");
    match running.exists() {
        true => Some(running.to_owned()),
        false => std::env::current_exe().ok(),
    }
}

/// Shows a line that the next one overwrites; the last one is removed.
fn show_progress(doing: &str, done: usize, total: usize) {
    /// Time of the last line, and whether there was one.
    static LAST: Mutex<Option<(Instant, bool)>> = Mutex::new(None);

    let Ok(mut last) = LAST.lock() else {
        return;
    };
    let (time, is_shown) = *last.get_or_insert((Instant::now(), false));
    let mut terminal = std::io::stderr();
    // A terminal that is gone needs no progress.
    let _ = if done == total {
        *last = None;
        match is_shown {
            true => write!(terminal, "\r\x1b[K"),
            false => Ok(()),
        }
    } else if time.elapsed() >= PROGRESS_INTERVAL {
        *last = Some((Instant::now(), true));
        write!(terminal, "\r\x1b[K{doing} components: {done} of {total}")
    } else {
        Ok(())
    };
}
