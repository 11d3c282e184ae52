//! The `Accept` header of a POST: the client must accept JSON and an event stream (MCP, Streamable HTTP).

use axum::http::{HeaderMap, header};

/// Returns whether the client accepts both media types that a POST may be answered with.
pub(super) fn accepts_json_and_events(headers: &HeaderMap) -> bool {
    let accepts =
        |wanted: &str| accepted_media_types(headers).any(|t| t.eq_ignore_ascii_case(wanted));
    accepts("application/json") && accepts("text/event-stream")
}

/// Returns the media types of the `Accept` headers that do not have a quality of zero.
fn accepted_media_types(headers: &HeaderMap) -> impl Iterator<Item = &str> {
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
            is_accepted.then_some(media_type)
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
        for (accept, is_accepted) in [
            ("application/json, text/event-stream", true),
            ("text/event-stream;q=0.5,Application/JSON", true),
            ("application/json;q=1.000, text/event-stream;q=0.001", true),
            // A malformed weight is ignored.
            ("application/json;q=0.0000, text/event-stream;q=x", true),
            ("application/json;x=\"a,b;q=0\", text/event-stream", true),
            ("application/json", false),
            ("application/json, text/event-stream;q=0", false),
            ("application/json;q=0.000, text/event-stream", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(accepts_json_and_events(&headers), is_accepted, "{accept}");
        }
        assert!(!accepts_json_and_events(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "application/json".parse().unwrap());
        headers.append(header::ACCEPT, "text/event-stream".parse().unwrap());
        assert!(accepts_json_and_events(&headers));
    }
}
