//! The served host behind its guard: who gets in, what a tool learns of them, and what everybody else is told.

mod callers;
mod entry;

use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// `who` tells everything that a tool can learn of its caller; `open` and `admin` are told apart by their scopes.
fn guest() -> Guest {
    let mut guest = Guest::saying("admin", "admin");
    let open = guest.string("open");
    let (space, nobody) = (guest.string(" "), guest.string("nobody"));
    let say = |at: u32| {
        format!(
            "(call $say (i32.load (i32.const {at})) (i32.load (i32.const {})))",
            at + 4
        )
    };
    guest.tool(Tool::new("open"), format!("(call $text {open})"));
    guest.tool(
        Tool::new("who"),
        format!(
            "(local $scope i32) (local $left i32)
             (call $caller (i32.const 256))
             (if (i32.eqz (i32.load8_u (i32.const 256))) (then (return (call $text {nobody}))))
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
            issuer = say(260),
            subject = say(268),
            client = say(280),
            claims = say(296),
        ),
    );
    guest
}

/// A configuration whose tokens come from `issuer`; `more` stands in `[auth]` and after it.
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
