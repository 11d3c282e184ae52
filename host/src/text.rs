//! Text for people: truncation, escaping of untrusted text, and error chains.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};

/// Returns the longest prefix of `text` that has at most `max_bytes` bytes and ends at a character boundary.
pub(crate) fn truncate(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// Truncates like [`truncate`] and appends `…` if anything was removed.
pub(crate) fn ellipsize(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", truncate(text, max_bytes)))
}

/// Formats a value up to `max_bytes` and stops there, so that a value that formats to much text, such as a backtrace with
/// the names of a guest, costs neither the time nor the memory for it.
pub(crate) fn bounded(value: impl fmt::Display, max_bytes: usize) -> String {
    let mut text = BoundedText {
        text: String::new(),
        max_bytes,
    };
    // Fails where the text is cut.
    let _ = write!(text, "{value}");
    text.text
}

/// A writer that fails after `max_bytes`.
struct BoundedText {
    text: String,
    max_bytes: usize,
}

impl Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fitting = truncate(text, self.max_bytes - self.text.len());
        self.text.push_str(fitting);
        match fitting.len() == text.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

/// Escapes characters that could end a log line or control a terminal, and drops trailing line breaks.
///
/// Every text of a guest or a client passes through here before it reaches a log or a terminal, so that it cannot
/// imitate a line of the host.
pub(crate) fn escape_untrusted(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Returns whether `c` is a control character, a line separator or a bidirectional formatting character.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Formats an error and its sources as one line. A source is left out if the line contains its text already.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = error.source();
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_at_character_boundaries() {
        assert_eq!(truncate("aé", 2), "a");
        assert_eq!(truncate("aé", 3), "aé");
        assert_eq!(ellipsize("aéb", 3), "aé…");
        assert_eq!(ellipsize("aé", 3), "aé");
    }

    #[test]
    fn escapes_control_and_bidi_characters() {
        for (text, escaped) in [
            ("é 世界", "é 世界"),
            ("ends\r\n\n", "ends"),
            ("two\nlines", "two\\nlines"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{9b}b", "a\\u{9b}b"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
        ] {
            assert_eq!(escape_untrusted(text), escaped);
        }
    }
}
