//! Tool names of functions.

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::guest::{component, component_from_wit};
use crate::support::server::Host;

/// Checks the tool names of a component's functions. `expected` has the core export name and the tool name of each
/// function; each function returns its index there.
async fn check(wit: &str, expected: &[(&str, &str)]) {
    let functions: String = expected
        .iter()
        .enumerate()
        .map(|(number, (export, _))| {
            format!(r#"(func (export "{export}") (result i32) (i32.const {number}))"#)
        })
        .collect();
    let host =
        Host::serving_component(&component_from_wit(wit, &format!("(module {functions})"))).await;
    for (number, (export, name)) in expected.iter().enumerate() {
        let answer = host.client().call(name, json!({})).await;
        assert_eq!(answer.text(), number.to_string(), "{export}");
        assert!(name.len() <= 64);
    }
    let list = host.client().list().await;
    assert_eq!(
        list.result()["tools"].as_array().unwrap().len(),
        expected.len()
    );
}

#[tokio::test]
async fn unique_functions_have_their_name_without_the_interface() {
    check(
        "world guest {
           export run-it: func() -> u32;
           export HTTP-get: func() -> u32;
           export ops: interface { read-all: func() -> u32; }
           export a:tools/files@1.2.0;
         }
         package a:tools@1.2.0 { interface files { open: func() -> u32; } }",
        &[
            ("run-it", "run_it"),
            ("HTTP-get", "HTTP_get"),
            ("ops#read-all", "read_all"),
            ("a:tools/files@1.2.0#open", "open"),
        ],
    )
    .await;
}

#[tokio::test]
async fn functions_of_one_name_are_prefixed_with_their_interface() {
    check(
        "world guest {
           export get: func() -> u32;
           export cache: interface { get: func() -> u32; set: func() -> u32; }
           export a:tools/files;
           export a:more/files;
           export b:more/files;
           export c:store/kv@1.0.0;
           export c:store/kv@2.1.0;
         }
         package a:tools { interface files { get: func() -> u32; scan: func() -> u32; } }
         package a:more { interface files { get: func() -> u32; scan: func() -> u32; } }
         package b:more { interface files { scan: func() -> u32; } }
         package c:store@1.0.0 { interface kv { put: func() -> u32; } }
         package c:store@2.1.0 { interface kv { put: func() -> u32; } }",
        &[
            ("get", "get"),
            ("cache#get", "cache_get"),
            ("cache#set", "set"),
            ("a:tools/files#get", "tools_files_get"),
            ("a:tools/files#scan", "tools_files_scan"),
            ("a:more/files#get", "more_files_get"),
            ("a:more/files#scan", "a_more_files_scan"),
            ("b:more/files#scan", "b_more_files_scan"),
            ("c:store/kv@1.0.0#put", "c_store_kv_1_0_0_put"),
            ("c:store/kv@2.1.0#put", "c_store_kv_2_1_0_put"),
        ],
    )
    .await;
    // The prefixed name is already the name of another function.
    check(
        "world guest {
           export cache-get: func() -> u32;
           export get: func() -> u32;
           export cache: interface { get: func() -> u32; }
         }",
        &[
            ("cache-get", "cache_get"),
            ("get", "get"),
            ("cache#get", "cache_get_319e4bd3"),
        ],
    )
    .await;
}

#[tokio::test]
async fn long_names_are_truncated_and_get_a_stable_hash() {
    let long = "a-very-long-name-that-nobody-would-give-to-a-function-of-an-interface";
    check(
        &format!(
            "world guest {{
               export {long}-one: func() -> u32;
               export {long}-two: func() -> u32;
               export {0}: func() -> u32;
               export {1}: func() -> u32;
             }}",
            &long[..64],
            &long[..65]
        ),
        &[
            (
                &format!("{long}-one"),
                "a_very_long_name_that_nobody_would_give_to_a_function_o_a08a3224",
            ),
            (
                &format!("{long}-two"),
                "a_very_long_name_that_nobody_would_give_to_a_function_o_4eca9eac",
            ),
            (&long[..64], &long[..64].replace('-', "_")),
            (
                &long[..65],
                "a_very_long_name_that_nobody_would_give_to_a_function_o_1a1636ab",
            ),
        ],
    )
    .await;
}

/// Both names here have the same hash.
#[test]
fn a_function_is_skipped_if_its_truncated_name_is_taken() {
    let long = "a-very-long-name-that-nobody-would-give-to-a-function-of-an-interface";
    let names = ["n45592", "n67334"].map(|end| format!("{long}-{end}"));
    let [world, module] = [
        names
            .each_ref()
            .map(|name| format!("export {name}: func();")),
        names
            .each_ref()
            .map(|name| format!(r#"(func (export "{name}"))"#)),
    ]
    .map(|parts| parts.concat());
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &component(&world, &format!("(module {module})")));
    let output = toolcrib.run(&["inspect", &path, "--json"]);
    let all: Value = serde_json::from_str(&output.stdout).unwrap();
    let short = "a_very_long_name_that_nobody_would_give_to_a_function_o_bb56a8e6";
    assert_eq!(all[0]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(all[0]["tools"][0]["name"], short);
    let skipped = json!([{
        "export": names[1],
        "reason": format!("`{short}`, its name as a tool, is that of another one too"),
    }]);
    assert_eq!(all[0]["skipped"], skipped);
}
