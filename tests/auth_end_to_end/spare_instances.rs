//! Spare instances: they are used, each by one call, and their start functions see no caller. Many callers at once.

use serde_json::json;

use super::configuration;
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::Issuer;
use crate::support::server::Host;

/// Calls within which a spare instance is used: one is made after the second call.
const MAX_CALLS: usize = 200;

/// A guest whose tool `started` says whether its start function saw a caller, and traps if its instance is used again.
/// `who` returns the caller's subject.
fn guest() -> Guest {
    let mut guest = Guest::new();
    let (saw, none) = (guest.string("with caller"), guest.string("without caller"));
    guest
        .item(
            "(global $saw_caller (mut i32) (i32.const 0))
             (global $uses (mut i32) (i32.const 0))
             (func (export \"_initialize\")
               (call $caller (i32.const 256))
               (global.set $saw_caller (i32.load8_u (i32.const 256))))",
        )
        .tool(
            Tool::new("started"),
            format!(
                "(if (global.get $uses) (then unreachable))
                 (global.set $uses (i32.const 1))
                 (call $caller (i32.const 256))
                 (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
                 (if (global.get $saw_caller) (then (return (call $text {saw}))))
                 (call $text {none})"
            ),
        )
        .tool(
            Tool::new("who"),
            // The caller is there, and its second member is the subject.
            "(call $caller (i32.const 256))
             (call $text (i32.load (i32.const 268)) (i32.load (i32.const 272)))",
        );
    guest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_functions_of_spare_instances_see_no_caller() {
    let issuer = Issuer::start().await;
    let token = issuer.token(|_| {});
    for (spare_instances, is_used) in [(1, true), (2, true), (0, false)] {
        let more = format!("[limits]\nspare-instances = {spare_instances}\n");
        let text = configuration(&issuer, &more);
        let host = Host::configured(&[("guest", &guest())], &text).await;
        let client = host.client().with_token(&token);
        let mut texts = Vec::new();
        for _ in 0..MAX_CALLS {
            let answer = client.call("started", json!({})).await;
            texts.push(answer.text().to_owned());
            if texts.last().is_some_and(|text| text == "without caller") {
                break;
            }
        }
        // The first call finds none.
        assert_eq!(texts[0], "with caller");
        let last = texts.last().map(String::as_str);
        assert_eq!(last == Some("without caller"), is_used, "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_spare_instance_is_used_once() {
    let issuer = Issuer::start().await;
    let text = configuration(&issuer, "[limits]\nspare-instances = 2\n");
    let host = Host::configured(&[("guest", &guest())], &text).await;
    for _ in 0..10 {
        let calls = (0..8).map(async |number: u32| {
            let token = issuer.token(|claims| claims["sub"] = json!(format!("user-{number}")));
            let client = host.client().with_token(&token);
            for _ in 0..5 {
                let answer = client.call("started", json!({})).await;
                // A second use would trap.
                assert!(answer.text().ends_with("caller"), "{answer:?}");
            }
        });
        futures::future::join_all(calls).await;
    }
}

/// So many that responses are sent in batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_callers_receives_its_own_responses() {
    let issuer = Issuer::start().await;
    let text = configuration(&issuer, "");
    let host = Host::configured(&[("guest", &guest())], &text).await;
    let calls = (0..32).map(async |number: u32| {
        let subject = format!("user-{number}");
        let token = issuer.token(|claims| claims["sub"] = json!(subject));
        let client = host.client().with_token(&token);
        for _ in 0..20 {
            assert_eq!(client.call("who", json!({})).await.text(), subject);
        }
    });
    futures::future::join_all(calls).await;
}
