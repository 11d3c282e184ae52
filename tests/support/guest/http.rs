//! Guests that send HTTP requests. Their tools return the status and the body, or `E` and the index of the error code.

use super::{Guest, Tool};

// `wasi:http/types.error-code` by index.

pub(crate) const DNS_ERROR: &str = "E1";
pub(crate) const CONNECTION_REFUSED: &str = "E6";
pub(crate) const CONNECTION_TIMEOUT: &str = "E8";
pub(crate) const READ_TIMEOUT: &str = "E9";
pub(crate) const TOO_MANY: &str = "E11";
pub(crate) const BAD_CERTIFICATE: &str = "E13";
pub(crate) const DENIED: &str = "E15";
pub(crate) const BODY_SIZE: &str = "E17";
pub(crate) const BAD_URI: &str = "E19";
pub(crate) const LONG_URI: &str = "E20";
pub(crate) const LARGE_HEAD: &str = "E21";
pub(crate) const LARGE_ANSWER_HEAD: &str = "E26";

/// An HTTP request of a guest.
#[derive(Clone, Default)]
pub(crate) struct Fetch {
    https: bool,
    authority: String,
    path: String,
    method: u8,
    headers: Vec<(String, String)>,
    /// Timeouts in milliseconds: connect, first byte, between bytes.
    timeouts: [Option<u64>; 3],
    /// Size of the body in chunks of 4 KiB.
    chunks: Option<u32>,
}

impl Fetch {
    /// Creates a GET request of `http://authority/path` or `https://authority/path`.
    pub(crate) fn get(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let at = rest.find('/').unwrap_or(rest.len());
        Self {
            https: scheme == "https",
            authority: rest[..at].into(),
            path: rest[at..].into(),
            ..Self::default()
        }
    }

    /// Sets the method by its index in `wasi:http/types.method`.
    pub(crate) fn method(self, method: u8) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the timeouts in milliseconds: connect, first byte, between bytes.
    pub(crate) fn times(self, timeouts: [Option<u64>; 3]) -> Self {
        Self { timeouts, ..self }
    }

    pub(crate) fn chunks(self, chunks: u32) -> Self {
        Self {
            chunks: Some(chunks),
            ..self
        }
    }
}

/// Adds the imports and functions that [`fetch`] needs.
pub(crate) fn can_fetch(guest: &mut Guest) {
    guest.import(include_str!("http_imports.wat"));
    guest.item(include_str!("http.wat"));
}

/// Returns the expressions that send a request and append its result to the text of `$said`.
pub(crate) fn fetch(guest: &mut Guest, fetch: &Fetch) -> String {
    let mut body = String::from("(global.set $fields (call $fields))\n");
    for (name, value) in &fetch.headers {
        let (name, value) = (guest.string(name), guest.string(value));
        body.push_str(&format!(
            "(call $append (global.get $fields) {name} {value} (i32.const 256))
             (if (i32.load8_u (i32.const 256)) (then (call $say_number (i64.load8_u (i32.const 257)))))\n"
        ));
    }
    body.push_str("(global.set $options (call $options))\n");
    for (name, timeout) in ["connect", "first_byte", "between_bytes"]
        .iter()
        .zip(fetch.timeouts)
    {
        if let Some(millis) = timeout {
            body.push_str(&format!(
                "(drop (call ${name} (global.get $options) (i32.const 1) (i64.const {})))\n",
                millis * 1_000_000
            ));
        }
    }
    let (authority, path) = (guest.string(&fetch.authority), guest.string(&fetch.path));
    body.push_str(&format!(
        "(call $fetch (i32.const {}) {authority} {path} (i32.const {}) (i32.const {}))\n",
        u8::from(fetch.https),
        fetch.method,
        fetch
            .chunks
            .map_or(-1, |chunks| i32::try_from(chunks).unwrap()),
    ));
    body
}

/// Creates a guest with one tool per request, named `t0`, `t1` and so on.
pub(crate) fn fetching(requests: &[Fetch]) -> Guest {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    for (index, request) in requests.iter().enumerate() {
        let body = fetch(&mut guest, request);
        guest.tool(
            Tool::new(&format!("t{index}")),
            format!("{body} (call $said)"),
        );
    }
    guest
}
