//! Guests that wait, and guests whose server is hostile too or whose request is no single one.

use super::{POLL, Pack, Packing, TIMER, forever, times};
use crate::support::guest::Guest;
use crate::support::guest::http::{Fetch, can_fetch, fetch};
use crate::support::upstream::Upstream;

pub(super) fn packs(upstream: &Upstream) -> Vec<Pack> {
    vec![waits(upstream), servers(upstream)]
}

fn allow(upstream: &Upstream) -> String {
    format!(
        "[component.allow]\nhttp = [{:?}]\nprivate-network = true\n",
        upstream.origin()
    )
}

fn waits(upstream: &Upstream) -> Pack {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    guest.import(TIMER).import(POLL);
    let origin = upstream.origin();
    let asks: Vec<_> = ["silent", "stalls", "drips"]
        .iter()
        .map(|path| fetch(&mut guest, &Fetch::get(&format!("{origin}/{path}"))))
        .collect();
    let mut pack = Packing::of(guest);
    pack.row(
        "sleeps",
        "sleeps for an hour",
        "(call $block (call $timer (i64.const 3600000000000))) (unreachable)",
    )
    .row(
        "sleeps-again-and-again",
        "sleeps a millisecond, for ever",
        format!(
            "(local $timer i32) {}",
            forever(
                "(local.set $timer (call $timer (i64.const 1000000)))
                 (call $block (local.get $timer)) (call $drop_pollable (local.get $timer))"
            )
        ),
    )
    .row(
        "polls-many",
        "waits for 400 timers of an hour",
        format!(
            "{}
             (call $poll (i32.const 1024) (i32.const 400) (i32.const 256)) (unreachable)",
            times(
                400,
                "(i32.store (i32.add (i32.const 1020) (i32.mul (local.get $n) (i32.const 4)))
                   (call $timer (i64.const 3600000000000)))"
            )
        ),
    )
    .row(
        "waits-for-silence",
        "asks a server that accepts and never answers",
        format!("{} (call $said)", asks[0]),
    )
    .row(
        "waits-for-the-rest",
        "asks a server that stops in the middle of its answer",
        format!("{} (call $said)", asks[1]),
    )
    .row(
        "waits-for-drips",
        "asks a server that sends a byte now and then, for ever",
        format!("{} (call $said)", asks[2]),
    );
    // Only the time can end them.
    let settings = "[component.limits]\ntime = \"600ms\"\ncpu = \"60s\"\n";
    let settings = format!("{settings}{}", allow(upstream));
    pack.packed("Guests that wait", "waits", &settings)
}

fn servers(upstream: &Upstream) -> Pack {
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
    let many = format!("{} {one_more} (call $said)", times(32, "(call $start)"));
    let cases = [
        (
            "asks-for-a-bomb",
            "asks a server whose answer would unpack to something large",
            at("packed"),
        ),
        (
            "asks-for-headers",
            "asks a server whose headers never end",
            at("headers"),
        ),
        (
            "asks-for-a-large-head",
            "asks a server whose headers are 40 kB",
            at("head"),
        ),
        (
            "smuggles-a-header",
            "hides a header in the value of another",
            at("x").header("x-one", "1\r\nx-evil: 1"),
        ),
        (
            "smuggles-a-name",
            "hides a header in the name of another",
            at("x").header("x-one: 1\r\nx-evil", "1"),
        ),
        (
            "smuggles-a-path",
            "hides a second request in the path of the first",
            at("x HTTP/1.1\r\nhost: x\r\n\r\nGET /evil"),
        ),
        (
            "smuggles-a-host",
            "hides a header in the name of the host",
            Fetch::get(&format!("{}\r\nx-evil: 1/x", upstream.origin())),
        ),
        ("asks-for-a-tunnel", "asks with CONNECT", at("x").method(5)),
    ];
    let mut bodies = Vec::new();
    for (name, does, asked) in cases {
        bodies.push((name, does, fetch(&mut guest, &asked)));
    }
    let mut pack = Packing::of(guest);
    for (name, does, body) in bodies {
        pack.row(name, does, format!("{body} (call $said)"));
    }
    pack.row(
        "asks-at-once",
        "has 32 requests open and makes one more",
        many,
    );
    pack.packed(
        "Servers that do harm, and requests that are more than one",
        "servers",
        &allow(upstream),
    )
}
