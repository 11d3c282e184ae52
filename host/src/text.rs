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
/// Every text of a guest or a client passes through this function or [`escape_lines`] before it reaches a log or a
/// terminal, so that it cannot imitate a line of the host.
pub(crate) fn escape_untrusted(text: &str) -> Cow<'_, str> {
    escape(
        text.trim_end_matches(['\n', '\r']),
        is_unsafe,
        escape_for_people,
    )
}

/// Escapes like [`escape_untrusted`], but keeps the lines and tabs of a text.
pub(crate) fn escape_lines(text: &str) -> String {
    let is_unsafe = |c| is_unsafe(c) && c != '\n' && c != '\t';
    escape(&text.replace("\r\n", "\n"), is_unsafe, escape_for_people).into_owned()
}

/// Escapes the same characters in JSON, which keeps its value. Line breaks between its tokens are kept.
pub(crate) fn escape_json(json: &str) -> Cow<'_, str> {
    // The serialiser has escaped the control characters below U+0020, so a line break is never inside a string.
    escape(
        json,
        |c| is_unsafe(c) && c != '\n',
        |c, escaped| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        },
    )
}

fn escape(
    text: &str,
    is_unsafe: impl Fn(char) -> bool,
    push_escaped: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            push_escaped(c, &mut escaped);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn escape_for_people(c: char, escaped: &mut String) {
    escaped.extend(c.escape_default());
}

/// Returns whether `c` is a control character, a separator of lines, or invisible: it can move the cursor, reorder the
/// text around it, or carry text that nobody sees.
///
/// The joiners U+200C and U+200D and the variation selectors below U+FE10 are invisible too, but scripts and emoji need
/// them.
fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(
            c,
            // Soft hyphen, Mongolian vowel separator, zero width space, byte order mark, Hangul fillers.
            '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{feff}' | '\u{3164}' | '\u{ffa0}'
            // Bidirectional marks, embeddings, overrides and isolates; separators; invisible operators.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Annotation characters, and format characters of shorthand and music.
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Tag characters and further variation selectors.
            | '\u{e0000}'..='\u{e0fff}'
        )
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
            ("a\u{200f}b\u{61c}c", "a\\u{200f}b\\u{61c}c"),
            ("a\u{e0041}b\u{e01ef}", "a\\u{e0041}b\\u{e01ef}"),
            ("a\u{7f}\tb", "a\\u{7f}\\tb"),
            ("👩\u{200d}🚀 ❤\u{fe0f}", "👩\u{200d}🚀 ❤\u{fe0f}"),
        ] {
            assert_eq!(escape_untrusted(text), escaped);
        }
    }

    #[test]
    fn keeps_the_lines_of_a_text() {
        assert_eq!(
            escape_lines("a\tb\r\nc\rd\u{1b}[0m\n"),
            "a\tb\nc\\rd\\u{1b}[0m\n"
        );
    }

    #[test]
    fn keeps_the_value_of_json() {
        let value = serde_json::json!({ "a": "\u{202e}\u{e0041}\u{9b}\u{7f}\n\u{1b}é" });
        let json = format!("{value:#}");
        let escaped = escape_json(&json);
        assert!(
            escaped.contains(r"\u202e\udb40\udc41\u009b\u007f\n\u001bé"),
            "{escaped}"
        );
        assert_eq!(serde_json::from_str(&escaped).ok(), Some(value));
    }
}
