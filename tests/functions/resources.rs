//! Resources: made by their constructors for a call, and dropped at its end.

use serde_json::{Value, json};

use super::{MEMORY, tool};
use crate::support::guest::component_from_wit;
use crate::support::server::Host;

/// A cart with a limit, and functions that take carts. A cart is a pointer to its limit and its total.
pub(crate) fn carts() -> Vec<u8> {
    let wit = "
        world guest {
          export carts: interface {
            resource cart {
              constructor(limit: u32);
              add: func(count: u32) -> u32;
              total: func() -> u32;
              fits: func(count: u32) -> result<u32, string>;
              clear: func();
              most: static func(limit: u32) -> u32;
            }
            merge: func(a: cart, b: borrow<cart>) -> u32;
            sum: func(all: list<borrow<cart>>, scale: option<u32>) -> u32;
            fresh: func() -> cart;
          }
        }";
    let module = format!(
        r#"(module
          (import "[export]carts" "[resource-new]cart" (func $new (param i32) (result i32)))
          (import "[export]carts" "[resource-rep]cart" (func $rep (param i32) (result i32)))
          {MEMORY}
          (data (i32.const 64) "too many")
          (func $make (param $limit i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $heap))
            (global.set $heap (i32.add (local.get $at) (i32.const 8)))
            (i32.store (local.get $at) (local.get $limit))
            (i32.store offset=4 (local.get $at) (i32.const 0))
            (call $new (local.get $at)))
          (func (export "carts#[constructor]cart") (param i32) (result i32)
            (call $make (local.get 0)))
          (func (export "carts#[method]cart.add") (param i32 i32) (result i32)
            (i32.store offset=4 (local.get 0)
              (i32.add (i32.load offset=4 (local.get 0)) (local.get 1)))
            (i32.load offset=4 (local.get 0)))
          (func (export "carts#[method]cart.total") (param i32) (result i32)
            (i32.load offset=4 (local.get 0)))
          (func (export "carts#[method]cart.clear") (param i32)
            (i32.store offset=4 (local.get 0) (i32.const 0)))
          (func (export "carts#[method]cart.fits") (param i32 i32) (result i32)
            (local $left i32)
            (local.set $left (i32.sub (i32.load (local.get 0))
              (i32.add (i32.load offset=4 (local.get 0)) (local.get 1))))
            (if (i32.lt_s (local.get $left) (i32.const 0))
              (then
                (i32.store (i32.const 16) (i32.const 1))
                (i32.store (i32.const 20) (i32.const 64))
                (i32.store (i32.const 24) (i32.const 8)))
              (else
                (i32.store (i32.const 16) (i32.const 0))
                (i32.store (i32.const 20) (local.get $left))))
            (i32.const 16))
          (func (export "carts#[static]cart.most") (param i32) (result i32)
            (i32.mul (local.get 0) (i32.const 2)))
          (func (export "carts#merge") (param i32 i32) (result i32)
            (i32.add (i32.load (call $rep (local.get 0))) (i32.load (local.get 1))))
          (func (export "carts#sum") (param $at i32) (param $count i32) (param i32 i32) (result i32)
            (local $sum i32)
            (block $done (loop $next
              (br_if $done (i32.eqz (local.get $count)))
              (local.set $sum (i32.add (local.get $sum) (i32.load (i32.load (local.get $at)))))
              (local.set $at (i32.add (local.get $at) (i32.const 4)))
              (local.set $count (i32.sub (local.get $count) (i32.const 1)))
              (br $next)))
            (local.get $sum))
          (func (export "carts#fresh") (result i32) (call $make (i32.const 1))))"#
    );
    component_from_wit(wit, &module)
}

#[tokio::test]
async fn methods_and_functions_make_the_resources_that_they_take() {
    let host = Host::serving_component(&carts()).await;
    let client = host.client();
    let list = client.list().await;
    let tools = list.result()["tools"].as_array().unwrap().iter();
    let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
    let expected = [
        "cart_add",
        "cart_clear",
        "cart_fits",
        "cart_most",
        "cart_session",
        "cart_total",
        "merge",
        "sum",
    ];
    assert_eq!(names, expected);
    let add = tool(list.result(), "cart_add");
    assert_eq!(add["inputSchema"]["required"], json!(["cart", "count"]));
    let cart = &add["inputSchema"]["properties"]["cart"];
    assert_eq!(cart["required"], json!(["limit"]));
    assert_eq!(cart["properties"]["limit"]["type"], "integer");
    let description = add["description"].as_str().unwrap();
    assert!(
        description.contains("method `add` of a new `cart`"),
        "{description}"
    );
    let cart = |limit: u32| json!({ "limit": limit });
    for (tool, arguments, expected) in [
        ("cart_add", json!({ "cart": cart(5), "count": 3 }), "3"),
        // Every call makes a cart of its own.
        ("cart_add", json!({ "cart": cart(5), "count": 3 }), "3"),
        ("cart_total", json!({ "cart": cart(5) }), "0"),
        ("cart_fits", json!({ "cart": cart(5), "count": 2 }), "3"),
        ("cart_most", json!({ "limit": 4 }), "8"),
        ("merge", json!({ "a": cart(1), "b": cart(2) }), "3"),
        ("sum", json!({ "all": [cart(1), cart(2), cart(4)] }), "7"),
        ("sum", json!({ "all": [] }), "0"),
    ] {
        let answer = client.call(tool, arguments.clone()).await;
        assert_eq!(answer.text(), expected, "{tool} {arguments}");
    }
    for (tool, arguments, words) in [
        (
            "cart_fits",
            json!({ "cart": cart(5), "count": 6 }),
            "too many",
        ),
        ("cart_add", json!({ "count": 3 }), "`cart` is missing"),
        (
            "cart_add",
            json!({ "cart": {}, "count": 3 }),
            "`/cart`: `limit` is missing",
        ),
        (
            "cart_add",
            json!({ "cart": 7, "count": 3 }),
            "`/cart`: 7 is not an object",
        ),
        (
            "sum",
            json!({ "all": [cart(1), { "limit": "x" }] }),
            "`/all/1/limit`",
        ),
        (
            "cart_add",
            json!({ "cart": { "limit": 1, "x": 2 }, "count": 3 }),
            "`/cart`: \"x\" is not known",
        ),
    ] {
        let answer = client.call(tool, arguments.clone()).await;
        let failure = answer.failure();
        assert!(failure.contains(words), "{tool} {arguments}: {failure}");
    }
}

#[tokio::test]
async fn sessions_call_several_methods_of_one_resource() {
    let host = Host::serving_component(&carts()).await;
    let client = host.client();
    let call = async |steps: Value| {
        let arguments = json!({ "cart": { "limit": 5 }, "steps": steps });
        client.call("cart_session", arguments).await
    };
    let add = |count: u32| json!({ "add": { "count": count } });
    let answer =
        call(json!([add(3), "total", add(1), { "fits": { "count": 1 } }, "clear", "total"])).await;
    assert_eq!(
        answer.result()["structuredContent"],
        json!({ "results": [3, 3, 4, 0, null, 0] })
    );
    let answer = call(json!([])).await;
    assert_eq!(
        answer.result()["structuredContent"],
        json!({ "results": [] })
    );
    for (steps, words) in [
        (
            json!([add(3), { "fits": { "count": 3 } }, "total"]),
            "step 2 (`fits`): too many",
        ),
        (
            json!([add(3), "empty"]),
            "`/steps/1`: \"empty\" is not one of the cases `add`",
        ),
        (json!(["add"]), "`/steps/0`"),
        (json!([{ "add": {} }]), "`/steps/0/add`: `count` is missing"),
        (json!([{ "total": {} }]), "give \"total\""),
        (json!("total"), "`/steps`"),
    ] {
        let answer = call(steps.clone()).await;
        let failure = answer.failure();
        assert!(failure.contains(words), "{steps}: {failure}");
    }
}

/// Constructors can fail or spin, and destructors run at the end of the call.
#[tokio::test]
async fn constructors_and_destructors_run_in_the_sandbox() {
    let wit = "
        world guest {
          export bad: interface {
            resource strict {
              constructor(size: u32) -> result<strict, string>;
              size: func() -> u32;
            }
            resource bomb { constructor(); size: func() -> u32; }
            resource slow { constructor(); size: func() -> u32; }
          }
        }";
    let module = format!(
        r#"(module
          (import "[export]bad" "[resource-new]strict" (func $strict (param i32) (result i32)))
          (import "[export]bad" "[resource-new]bomb" (func $bomb (param i32) (result i32)))
          {MEMORY}
          (data (i32.const 64) "too large")
          (func (export "bad#[constructor]strict") (param i32) (result i32)
            (if (i32.gt_u (local.get 0) (i32.const 9))
              (then
                (i32.store (i32.const 16) (i32.const 1))
                (i32.store (i32.const 20) (i32.const 64))
                (i32.store (i32.const 24) (i32.const 9)))
              (else
                (i32.store (i32.const 16) (i32.const 0))
                (i32.store (i32.const 20) (call $strict (local.get 0)))))
            (i32.const 16))
          (func (export "bad#[method]strict.size") (param i32) (result i32) (local.get 0))
          (func (export "bad#[constructor]bomb") (result i32) (call $bomb (i32.const 7)))
          (func (export "bad#[method]bomb.size") (param i32) (result i32) (local.get 0))
          (func (export "bad#[dtor]bomb") (param i32) (unreachable))
          (func (export "bad#[constructor]slow") (result i32) (loop $l (br $l)) (unreachable))
          (func (export "bad#[method]slow.size") (param i32) (result i32) (local.get 0)))"#
    );
    let component = component_from_wit(wit, &module);
    let limit = |config: &mut toolcrib::config::Config| {
        config.limits.cpu = std::time::Duration::from_millis(300);
    };
    let host = Host::serving_component_with(&component, limit).await;
    let client = host.client();
    let answer = client
        .call("strict_size", json!({ "strict": { "size": 4 } }))
        .await;
    assert_eq!(answer.text(), "4");
    for (tool, arguments, words) in [
        (
            "strict_size",
            json!({ "strict": { "size": 10 } }),
            "`strict` could not be made: too large",
        ),
        ("bomb_size", json!({}), "crashed"),
        ("bomb_size", json!({ "bomb": {} }), "crashed"),
        ("slow_size", json!({}), "processor time"),
    ] {
        let answer = client.call(tool, arguments.clone()).await;
        let failure = answer.failure();
        assert!(failure.contains(words), "{tool} {arguments}: {failure}");
    }
    // One method needs no session.
    assert!(!client.list().await.body.contains("_session"));
}
