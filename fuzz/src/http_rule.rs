//! An entry of `allow.http` and a URL, one line each.

use reqwest::Url;
use toolcrib::fuzzing;
use toolcrib::sandbox::HttpRule;

/// Parses an entry and compares the URLs that it covers with an independent reading of both.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (entry, url) = text.split_once('\n').unwrap_or((text, ""));
    let rule = match HttpRule::parse(entry) {
        Ok(rule) => rule,
        Err(message) => return super::assert_is_sentence_about(&message, entry.len()),
    };
    let shown = rule.to_string();
    assert_eq!(HttpRule::parse(&shown), Ok(rule.clone()), "{shown}");
    let own = shown.replacen("://*.", "://label.", 1);
    assert_eq!(fuzzing::is_covered(&rule, &own), Some(true), "{own}");
    if fuzzing::is_covered(&rule, url) == Some(true) {
        assert_may_be_covered(&shown, url);
    }
}

/// Asserts that scheme, host, port and path of the URL are those of the entry.
fn assert_may_be_covered(entry: &str, url: &str) {
    let is_wildcard = entry.contains("://*.");
    let entry = Url::parse(&entry.replacen("://*.", "://", 1)).expect("a URL without the wildcard");
    let url = Url::parse(url).expect("a covered URL");
    let context = format!("{entry} covers {url}");
    assert_eq!(url.scheme(), entry.scheme(), "{context}");
    assert_eq!(
        url.port_or_known_default(),
        entry.port_or_known_default(),
        "{context}"
    );
    let host = url.host_str().expect("a host");
    let host = match is_wildcard {
        true => host.split_once('.').map_or("", |(_label, rest)| rest),
        false => host,
    };
    assert_eq!(Some(host), entry.host_str(), "{context}");
    let prefix = segments(entry.path());
    let path = segments(url.path());
    assert!(path.starts_with(&prefix), "{context}");
}

/// Returns the segments of a path as the most permissive server reads it: decoded until nothing changes, with
/// backslashes as slashes, without empty and dot segments.
fn segments(path: &str) -> Vec<String> {
    let mut text = path.as_bytes().to_vec();
    loop {
        let decoded = decode(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    let text = String::from_utf8_lossy(&text).replace('\\', "/");
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name.to_owned()),
        }
    }
    segments
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let is_hexadecimal = |two: &&str| two.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = digits.filter(is_hexadecimal);
        match byte.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}
