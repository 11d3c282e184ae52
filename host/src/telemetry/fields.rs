//! Values of fields, escaped and truncated, and the fields of the text format.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::mem;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use crate::text::{ellipsize, error_chain, escape_untrusted, truncate};

/// Maximum length of a value. A line of a guest has at most half of it, before its characters are escaped.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// The field with the target of an event that a library logs through the crate `log`.
pub(super) const LOG_TARGET: &str = "log.target";
/// The fields of such an event, which are about the event itself.
const LOG_PREFIX: &str = "log.";
const MESSAGE: &str = "message";
/// Maximum length of a character in UTF-8.
const MAX_CHAR_BYTES: usize = 4;

/// Formats a value, escaped and truncated.
pub(super) fn value_text(value: &dyn Debug) -> String {
    let mut text = Beginning(String::new());
    // The writer never fails, and a value that cannot be formatted ends where it failed.
    let _ = write!(text, "{value:?}");
    let escaped = escape_untrusted(&text.0);
    if matches!(escaped, Cow::Borrowed(_)) && escaped.len() <= MAX_VALUE_BYTES {
        return text.0;
    }
    ellipsize(&escaped, MAX_VALUE_BYTES).into_owned()
}

/// Returns whether a text is the same when it is escaped, also as `{:?}`, and not truncated.
pub(super) fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    text.len() <= MAX_VALUE_BYTES && text.bytes().all(is_plain)
}

/// The beginning of a text: at least one character more than [`value_text`] returns, so that it can tell whether any is
/// missing.
struct Beginning(String);

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = (MAX_VALUE_BYTES + MAX_CHAR_BYTES).saturating_sub(self.0.len());
        self.0.push_str(truncate(text, left));
        Ok(())
    }
}

/// Formats the fields of an event or a span as text: `message name=value …`.
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = TextVisitor {
            writer,
            is_empty: true,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }
}

/// Writes fields as the visitor of `tracing-subscriber` does, which formats each name and value through several layers.
struct TextVisitor<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl TextVisitor<'_> {
    /// Writes a field. `value` needs no escaping.
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        // Written by the formatter of the event already.
        if self.result.is_ok() && !name.starts_with(LOG_PREFIX) {
            self.result = self.begin(name).and_then(|()| value(&mut self.writer));
        }
    }

    fn begin(&mut self, name: &str) -> fmt::Result {
        if !mem::take(&mut self.is_empty) {
            self.writer.write_char(' ')?;
        }
        match name.strip_prefix("r#").unwrap_or(name) {
            MESSAGE => Ok(()),
            // In italics, and the sign dimmed.
            name if self.writer.has_ansi_escapes() => {
                write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")
            }
            name => {
                self.writer.write_str(name)?;
                self.writer.write_char('=')
            }
        }
    }
}

impl Visit for TextVisitor<'_> {
    // Numbers need no escaping.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, |writer| write!(writer, "{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => self.record_debug(field, &format_args!("{value}")),
            // Most values, of which there are a dozen for each request.
            _ if is_plain(value) => self.add(field, |writer| {
                writer.write_char('"')?;
                writer.write_str(value)?;
                writer.write_char('"')
            }),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", error_chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |writer| writer.write_str(&value_text(value)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn plain_fields_look_like_those_of_the_default_format() {
        for has_colours in [false, true] {
            let lines = [Sink::default(), Sink::default()];
            let [own, default] = lines.clone();
            let builder = || {
                tracing_subscriber::fmt()
                    .without_time()
                    .with_ansi(has_colours)
            };
            let log = || {
                tracing::info!(
                    text = "a b",
                    number = 1,
                    negative = -1,
                    part = 0.5,
                    is = true,
                    "said"
                )
            };
            let own = builder()
                .fmt_fields(TextFields)
                .with_writer(move || own.clone());
            tracing::subscriber::with_default(own.finish(), log);
            let default = builder().with_writer(move || default.clone());
            tracing::subscriber::with_default(default.finish(), log);
            let [own, default] = lines.map(|sink| sink.0.lock().unwrap().clone());
            assert!(!own.is_empty());
            assert_eq!(String::from_utf8(own), String::from_utf8(default));
        }
    }

    #[test]
    fn values_are_escaped_and_truncated() {
        let long = "é".repeat(MAX_VALUE_BYTES);
        let full = "x".repeat(MAX_VALUE_BYTES);
        let controls = "\u{1b}".repeat(MAX_VALUE_BYTES);
        for (text, expected) in [
            ("two\nlines\n", "two\\nlines".to_owned()),
            (&full, full.clone()),
            (&long, format!("{}…", &long[..MAX_VALUE_BYTES])),
            (
                &controls,
                format!("{}…", truncate(&r"\u{1b}".repeat(2_000), MAX_VALUE_BYTES)),
            ),
        ] {
            assert_eq!(value_text(&format_args!("{text}")), expected);
        }
    }
}
