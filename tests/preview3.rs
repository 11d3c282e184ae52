//! Components with asynchronous functions and imports of WASI 0.3, which `[wasi] preview3` turns on.

mod calls;
pub(crate) mod guests;
mod refusals;
mod wasi;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::server::{self, Host};

/// The key that turns them on.
const PREVIEW3: &str = "[wasi]\npreview3 = true\n";

/// Serves a component as `guest` with the key, and with the lines of its `[[component]]` after `ref`.
async fn serve(component: &[u8], settings: &str) -> Host {
    let dir = TempDir::new().unwrap();
    server::write(dir.path(), "guest", component);
    let text = format!("{PREVIEW3}[[component]]\nref = \"guest.wasm\"\n{settings}");
    Host::configured_in(dir, &text).await
}

/// Returns the tool of this name in the list of a host.
async fn tool(host: &Host, name: &str) -> Value {
    let list = host.client().list().await;
    let tools = list.result()["tools"].as_array().unwrap();
    let found = tools.iter().find(|tool| tool["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {tools:#?}"))
        .clone()
}
