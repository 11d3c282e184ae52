//! The smallest useful tool component: `echo` returns its text, `whoami` the caller and the remaining time.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use toolcrib_guest::call::{self, Level};
use toolcrib_guest::{Error, Json, tool};

toolcrib_guest::export!(echo, whoami);

#[derive(Serialize, JsonSchema)]
struct Echo {
    /// The text that was given
    text: String,
}

/// Returns the given text unchanged. Use it to check that tools can be called.
#[tool(title = "Echo", read_only, destructive = false, idempotent, open_world = false)]
fn echo(
    /// The text to return
    text: String,
) -> (String, Json<Echo>) {
    (text.clone(), Json(Echo { text }))
}

#[derive(Serialize, JsonSchema)]
struct Whoami {
    /// The caller; null without authentication
    caller: Option<Caller>,
    /// Milliseconds until the host stops the call
    time_left_ms: u64,
}

#[derive(Serialize, JsonSchema)]
struct Caller {
    issuer: String,
    subject: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    /// The claims that the operator passes on
    claims: Map<String, Value>,
}

/// Returns who is calling, as the server authenticated it, and how many milliseconds are left for the call. `caller` is
/// null where the server runs without authentication.
#[tool(title = "Who am I", read_only, destructive = false, idempotent, open_world = false)]
fn whoami() -> Result<Json<Whoami>, Error> {
    let caller = match call::caller() {
        None => None,
        Some(principal) => Some(Caller {
            issuer: principal.issuer,
            subject: principal.subject,
            client_id: principal.client_id,
            scopes: principal.scopes,
            claims: serde_json::from_str(&principal.claims)?,
        }),
    };
    call::log(Level::Info, "whoami was asked");
    Ok(Json(Whoami { caller, time_left_ms: call::time_left() }))
}
