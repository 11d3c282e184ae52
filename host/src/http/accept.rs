//! The `Accept` header (RFC 9110, section 12.5.1): which of this server's media types a client accepts.

use axum::http::{HeaderMap, header};

/// The media types that a client accepts in the answer to a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) json: bool,
    pub(super) event_stream: bool,
    /// Whether the client prepares for events: a range other than `*/*` covers event streams.
    names_event_stream: bool,
}

/// The header of almost every client, which need not be parsed.
const USUAL: &str = "application/json, text/event-stream";

impl Accepted {
    /// Reads the `Accept` headers of a request. A request without a media range accepts everything.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut all = headers.get_all(header::ACCEPT).iter();
        if all.next().is_some_and(|accept| accept == USUAL) && all.next().is_none() {
            return Self {
                json: true,
                event_stream: true,
                names_event_stream: true,
            };
        }
        let json = best_match(headers, "application", "json");
        let event_stream = best_match(headers, "text", "event-stream");
        let is_anything = media_ranges(headers).next().is_none();
        let accepts = |found: Option<Match>| found.map_or(is_anything, |found| found.is_accepted);
        Self {
            json: accepts(json),
            event_stream: accepts(event_stream),
            names_event_stream: event_stream
                .is_some_and(|found| found.is_accepted && found.precision > Precision::Anything),
        }
    }

    /// Returns whether the answer to a request may be an event stream. Clients that would accept both but do not name
    /// event streams, such as those that send `*/*`, get JSON.
    pub(super) fn prefers_event_stream(self) -> bool {
        self.event_stream && (self.names_event_stream || !self.json)
    }
}

/// How precisely a media range names a media type. The most precise range decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Type,
    Subtype,
}

/// The most precise range for a media type.
#[derive(Clone, Copy)]
struct Match {
    precision: Precision,
    is_accepted: bool,
}

/// Returns whether a client names HTML among what it accepts, as browsers do when they open a page.
pub(super) fn names_html(headers: &HeaderMap) -> bool {
    best_match(headers, "text", "html")
        .is_some_and(|found| found.is_accepted && found.precision == Precision::Subtype)
}

fn best_match(headers: &HeaderMap, wanted_type: &str, wanted_subtype: &str) -> Option<Match> {
    let matches = media_ranges(headers).filter_map(|range| {
        let (range_type, subtype) = range.media_type.split_once('/')?;
        let has_type = range_type.eq_ignore_ascii_case(wanted_type);
        let precision = match (range_type, subtype) {
            (_, subtype) if has_type && subtype.eq_ignore_ascii_case(wanted_subtype) => {
                Precision::Subtype
            }
            (_, "*") if has_type => Precision::Type,
            ("*", "*") => Precision::Anything,
            _ => return None,
        };
        Some(Match {
            precision,
            is_accepted: range.is_accepted,
        })
    });
    matches.max_by_key(|found| (found.precision, found.is_accepted))
}

/// A media range, without its parameters.
struct MediaRange<'a> {
    media_type: &'a str,
    /// Whether its weight is not zero.
    is_accepted: bool,
}

fn media_ranges(headers: &HeaderMap) -> impl Iterator<Item = MediaRange<'_>> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| split_unquoted(value, ','))
        .filter_map(|range| {
            let mut parts = split_unquoted(range, ';');
            let media_type = parts.next()?.trim();
            let is_accepted = parts.all(|parameter| {
                parameter.split_once('=').is_none_or(|(name, quality)| {
                    !name.trim().eq_ignore_ascii_case("q") || !is_zero_quality(quality.trim())
                })
            });
            (!media_type.is_empty()).then_some(MediaRange {
                media_type,
                is_accepted,
            })
        })
}

/// Returns whether a weight is zero (RFC 9110, section 12.4.2). A malformed weight is ignored.
fn is_zero_quality(quality: &str) -> bool {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    whole == "0" && fraction.len() <= 3 && fraction.bytes().all(|digit| digit == b'0')
}

/// Splits at a delimiter outside quoted strings.
fn split_unquoted(value: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value.split(move |c| {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted && c == '\\' {
            is_escaped = true;
        } else if c == '"' {
            is_quoted = !is_quoted;
        } else if !is_quoted && c == delimiter {
            return true;
        }
        false
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        // The header, and whether it accepts JSON, accepts event streams, and prefers event streams.
        for (accept, json, event_stream, prefers_event_stream) in [
            ("application/json, text/event-stream", true, true, true),
            ("text/event-stream;q=0.5,Application/JSON", true, true, true),
            (
                "application/json;q=1.000, text/event-stream;q=0.001",
                true,
                true,
                true,
            ),
            // A malformed weight is ignored.
            (
                "application/json;q=0.0000, text/event-stream;q=x",
                true,
                true,
                true,
            ),
            (
                "application/json;x=\"a,b;q=0\", text/event-stream",
                true,
                true,
                true,
            ),
            ("application/json", true, false, false),
            ("application/*", true, false, false),
            ("text/event-stream", false, true, true),
            ("text/*", false, true, true),
            ("*/*", true, true, false),
            ("", true, true, false),
            (" , ", true, true, false),
            ("text/html, */*;q=0.8", true, true, false),
            ("*/*, text/event-stream", true, true, true),
            (
                "application/json, text/event-stream;q=0",
                true,
                false,
                false,
            ),
            (
                "application/json;q=0.000, text/event-stream",
                false,
                true,
                true,
            ),
            // The most precise range decides.
            ("*/*, application/json;q=0", false, true, true),
            ("*/*;q=0, application/json", true, false, false),
            ("text/*;q=0, */*", true, false, false),
            ("text/html", false, false, false),
            ("*/*;q=0", false, false, false),
            ("json", false, false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            let accepted = Accepted::of(&headers);
            assert_eq!(
                (
                    accepted.json,
                    accepted.event_stream,
                    accepted.prefers_event_stream()
                ),
                (json, event_stream, prefers_event_stream),
                "{accept}"
            );
        }
        let anything = Accepted::of(&HeaderMap::new());
        assert!(anything.json && anything.event_stream && !anything.prefers_event_stream());
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "application/json".parse().unwrap());
        headers.append(header::ACCEPT, "text/event-stream".parse().unwrap());
        let both = Accepted::of(&headers);
        assert!(both.json && both.prefers_event_stream());
    }
}
