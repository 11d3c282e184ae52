//! Mounts: components that answer HTTP requests at a path, behind the guard and within the limits of a call.

mod guard;
mod limits;
mod requests;
mod schemes;
mod settings;
mod telemetry;
mod web_pages;

use crate::support::guest::component_from_wit;
use crate::support::server::{Host, write};

/// Imports and functions of a handler. `$start` begins a response with a status and returns the stream of its body,
/// `$write` writes to it, `$end` ends it, and `$drain` writes what the request has.
const PRELUDE: &str = include_str!("mounts/prelude.wat");

/// Returns a component whose handler runs this body, with the request in `$request` and the place for the response in
/// `$outparam`.
fn handler(body: &str) -> Vec<u8> {
    component_from_wit(
        "world guest {
           import wasi:io/streams@0.2.0;
           import wasi:http/types@0.2.0;
           export wasi:http/incoming-handler@0.2.0;
         }",
        &format!(
            r#"(module {PRELUDE}
              (func (export "wasi:http/incoming-handler@0.2.0#handle")
                (param $request i32) (param $outparam i32)
                (local $stream i32)
                {body}))"#
        ),
    )
}

/// Answers with the status 201 and "hello".
pub(crate) const HELLO: &str = "
    (local.set $stream (call $start (local.get $outparam) (i32.const 201)))
    (drop (call $write (local.get $stream) (i32.const 64) (i32.const 5)))
    (call $end (local.get $stream))";

/// Serves a handler at `/hook` with these settings.
pub(crate) async fn serve(body: &str, settings: &str) -> Host {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "hook", &handler(body));
    let text = format!("[[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"\n{settings}");
    Host::configured_in(dir, &text).await
}
