//! Hostile guests that block, that use a hostile server, or that try to smuggle requests.

use super::{HostileComponent, HostileComponentBuilder, POLL, TIMER, repeat, repeat_forever};
use crate::support::guest::Guest;
use crate::support::guest::http::{Fetch, can_fetch, fetch};
use crate::support::upstream::Upstream;

pub(super) fn components(upstream: &Upstream) -> Vec<HostileComponent> {
    vec![blocking(upstream), servers_and_smuggling(upstream)]
}

fn allow_upstream(upstream: &Upstream) -> String {
    format!(
        "[component.allow]\nhttp = [{:?}]\nprivate-network = true\n",
        upstream.origin()
    )
}

fn blocking(upstream: &Upstream) -> HostileComponent {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    guest.import(TIMER).import(POLL);
    let origin = upstream.origin();
    let fetches: Vec<_> = ["silent", "stalls", "drips"]
        .iter()
        .map(|path| fetch(&mut guest, &Fetch::get(&format!("{origin}/{path}"))))
        .collect();
    let mut component = HostileComponentBuilder::new(guest);
    component
        .tool(
            "sleeps",
            "sleeps for an hour",
            "(call $block (call $timer (i64.const 3600000000000))) (unreachable)",
        )
        .tool(
            "sleeps-repeatedly",
            "sleeps for a millisecond forever",
            format!(
                "(local $timer i32) {}",
                repeat_forever(
                    "(local.set $timer (call $timer (i64.const 1000000)))
                 (call $block (local.get $timer)) (call $drop_pollable (local.get $timer))"
                )
            ),
        )
        .tool(
            "polls-many",
            "polls 400 timers of one hour",
            format!(
                "{}
             (call $poll (i32.const 1024) (i32.const 400) (i32.const 256)) (unreachable)",
                repeat(
                    400,
                    "(i32.store (i32.add (i32.const 1020) (i32.mul (local.get $n) (i32.const 4)))
                   (call $timer (i64.const 3600000000000)))"
                )
            ),
        )
        .tool(
            "waits-for-a-response",
            "sends a request to a server that accepts the connection and never answers",
            format!("{} (call $said)", fetches[0]),
        )
        .tool(
            "waits-for-the-rest",
            "sends a request to a server that stops in the middle of its response",
            format!("{} (call $said)", fetches[1]),
        )
        .tool(
            "waits-for-drips",
            "sends a request to a server that sends single bytes with pauses, forever",
            format!("{} (call $said)", fetches[2]),
        );
    // Limits of which only the time limit can be reached.
    let settings = "[component.limits]\ntime = \"600ms\"\ncpu = \"60s\"\n";
    let settings = format!("{settings}{}", allow_upstream(upstream));
    component.build("Guests that block", "waits", &settings)
}

fn servers_and_smuggling(upstream: &Upstream) -> HostileComponent {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    let at = |path: &str| Fetch::get(&format!("{}/{path}", upstream.origin()));
    let (authority, path) = (
        guest.string(upstream.address.to_string()),
        guest.string("/silent"),
    );
    guest.item(format!(
        "(func $start (local $request i32)
           (local.set $request (call $request (call $fields)))
           (drop (call $set_scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
           (drop (call $set_authority (local.get $request) (i32.const 1) {authority}))
           (drop (call $set_path (local.get $request) (i32.const 1) {path}))
           (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 256)))"
    ));
    let one_more = fetch(&mut guest, &at("x"));
    let too_many_requests = format!("{} {one_more} (call $said)", repeat(32, "(call $start)"));
    let cases = [
        (
            "fetches-compressed-data",
            "sends a request to a server whose response claims to be compressed",
            at("packed"),
        ),
        (
            "fetches-endless-headers",
            "sends a request to a server whose response headers never end",
            at("headers"),
        ),
        (
            "fetches-large-headers",
            "sends a request to a server whose response headers have 40 kB",
            at("head"),
        ),
        (
            "smuggles-in-a-header-value",
            "hides a header in the value of another header",
            at("x").header("x-one", "1\r\nx-evil: 1"),
        ),
        (
            "smuggles-in-a-header-name",
            "hides a header in the name of another header",
            at("x").header("x-one: 1\r\nx-evil", "1"),
        ),
        (
            "smuggles-in-the-path",
            "hides a second request in the path of the first",
            at("x HTTP/1.1\r\nhost: x\r\n\r\nGET /evil"),
        ),
        (
            "smuggles-in-the-host",
            "hides a header in the host name",
            Fetch::get(&format!("{}\r\nx-evil: 1/x", upstream.origin())),
        ),
        (
            "requests-a-tunnel",
            "sends a CONNECT request",
            at("x").method(5),
        ),
    ];
    let mut bodies = Vec::new();
    for (name, behaviour, request) in cases {
        bodies.push((name, behaviour, fetch(&mut guest, &request)));
    }
    let mut component = HostileComponentBuilder::new(guest);
    for (name, behaviour, body) in bodies {
        component.tool(name, behaviour, format!("{body} (call $said)"));
    }
    component.tool(
        "opens-too-many-requests",
        "has 32 requests open and sends one more",
        too_many_requests,
    );
    component.build(
        "Hostile servers and request smuggling",
        "servers",
        &allow_upstream(upstream),
    )
}
