//! Components that export both tools of the contract and plain functions.

use serde_json::json;

use crate::support::guest::{Guest, Tool};
use crate::support::server::{Host, refusal};

fn tool_and_function() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest
        .export("export add: func(a: u32, b: u32) -> u32;")
        .item(
            r#"(func (export "add") (param i32 i32) (result i32)
              (i32.add (local.get 0) (local.get 1)))"#,
        );
    guest
}

#[tokio::test]
async fn tools_and_functions_of_one_component_are_served() {
    let host = Host::of(&tool_and_function()).await;
    let list = host.client().list().await;
    let tools = list.result()["tools"].as_array().unwrap().iter();
    let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add", "hello"]);
    let answer = host.client().call("hello", json!({})).await;
    assert_eq!(answer.text(), "hello");
    let answer = host.client().call("add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(answer.text(), "3");
}

#[tokio::test]
async fn functions_need_no_tool_of_the_contract() {
    let mut guest = Guest::new();
    guest
        .export("export one: func() -> u32;")
        .item(r#"(func (export "one") (result i32) (i32.const 1))"#);
    let host = Host::of(&guest).await;
    assert_eq!(host.client().call("one", json!({})).await.text(), "1");
}

#[tokio::test]
async fn a_tool_and_a_function_of_one_name_are_rejected() {
    let mut guest = tool_and_function();
    guest.tool(Tool::new("add"), "unreachable");
    let problems = refusal(&guest).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    for words in [
        "`definitions` name a tool `add`",
        "its function `add`",
        "rename one",
    ] {
        assert!(problems[0].contains(words), "{problems:?}");
    }
    // A function of an interface is reported with its interface.
    let mut guest = Guest::saying("sum", "hello");
    guest
        .export("export ops: interface { sum: func() -> u32; }")
        .item(r#"(func (export "ops#sum") (result i32) (i32.const 1))"#);
    let problems = refusal(&guest).await;
    assert!(problems[0].contains("`ops#sum`"), "{problems:?}");
}
