//! The time of a line of the log, which is earlier than that of its formatting if the line is about a request.

use std::cell::Cell;
use std::fmt;
use std::time::SystemTime;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

thread_local! {
    /// The time of the events of this thread; `None` is the current time.
    static TIME: Cell<Option<SystemTime>> = const { Cell::new(None) };
}

/// Formats the time of an event (RFC 3339, in UTC).
pub(super) struct EventTime;

impl FormatTime for EventTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let time = TIME.get().unwrap_or_else(SystemTime::now);
        write!(writer, "{}", humantime::format_rfc3339_micros(time))
    }
}

/// Runs `log`, whose events have this time.
pub(super) fn at(time: SystemTime, log: impl FnOnce()) {
    TIME.set(Some(time));
    log();
    TIME.set(None);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn time() -> String {
        let mut text = String::new();
        let formatted = EventTime.format_time(&mut Writer::new(&mut text));
        assert!(formatted.is_ok());
        text
    }

    #[test]
    fn events_have_the_given_time_or_the_current_one() {
        let given = UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        at(given, || assert_eq!(time(), "2023-11-14T22:13:20.123456Z"));
        assert!(*time() > *"2026");
    }
}
