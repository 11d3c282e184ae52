//! The complete host with authorization enabled: accepted callers, what a tool learns about them, and error responses.

mod callers;
mod concurrency;
mod entry;
mod paths;
mod spare_instances;
mod streams;

use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// `whoami` returns everything that a tool can learn about its caller. `open` and `admin` return their names; tests
/// give them different scopes.
fn guest() -> Guest {
    let mut guest = Guest::saying("admin", "admin");
    let open = guest.string("open");
    let (space, anonymous) = (guest.string(" "), guest.string("anonymous"));
    let say_string_at = |at: u32| {
        format!(
            "(call $say (i32.load (i32.const {at})) (i32.load (i32.const {})))",
            at + 4
        )
    };
    guest.tool(Tool::new("open"), format!("(call $text {open})"));
    guest.tool(
        Tool::new("whoami"),
        format!(
            "(local $scope i32) (local $left i32)
             (call $caller (i32.const 256))
             (if (i32.eqz (i32.load8_u (i32.const 256))) (then (return (call $text {anonymous}))))
             {issuer} (call $say {space}) {subject} (call $say {space})
             (if (i32.load8_u (i32.const 276)) (then {client}))
             (local.set $scope (i32.load (i32.const 288)))
             (local.set $left (i32.load (i32.const 292)))
             (block $none (loop $next
               (br_if $none (i32.eqz (local.get $left)))
               (call $say {space})
               (call $say (i32.load (local.get $scope)) (i32.load offset=4 (local.get $scope)))
               (local.set $scope (i32.add (local.get $scope) (i32.const 8)))
               (local.set $left (i32.sub (local.get $left) (i32.const 1)))
               (br $next)))
             (call $say {space}) {claims}
             (call $said)",
            issuer = say_string_at(260),
            subject = say_string_at(268),
            client = say_string_at(280),
            claims = say_string_at(296),
        ),
    );
    guest
}

/// A configuration that trusts `issuer`. `more` is appended to its last table, `[auth]`.
fn configuration(issuer: &Issuer, more: &str) -> String {
    format!(
        "components = [\"guest.wasm\"]\n[server]\npublic-url = \"https://tools.example\"\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n{more}\n",
        issuer.url(),
        issuer.jwks_uri(),
    )
}

async fn host(issuer: &Issuer, more: &str) -> Host {
    Host::configured(&[("guest", &guest())], &configuration(issuer, more)).await
}
