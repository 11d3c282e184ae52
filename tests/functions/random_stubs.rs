//! Random functions of an interface that the host lacks: a stub takes values of each type and changes nothing, or names its
//! import.

use super::random_types::generator::TypeGenerator;
use super::random_types::{Function, arguments};
use super::{MEMORY, PAD};
use crate::support::guest::component_from_wit;
use crate::support::rng::Rng;
use crate::support::server::{Host, write};

const COMPONENTS: u64 = 3;
const TYPES_PER_COMPONENT: usize = 10;
const VALUES_PER_TYPE: usize = 3;

/// Builds a component that passes its argument to a function of a missing interface, for each type: `put0` has no result,
/// so `f0` goes on and returns its argument; `get0` has one, so `g0` ends there.
fn importing_component(definitions: &str, types: &[&str]) -> Vec<u8> {
    let (mut kinds, mut store) = (format!("{PAD}{definitions}"), String::new());
    let (mut names, mut exports) = (vec!["pad".to_owned()], String::new());
    let (mut imports, mut functions) = (String::new(), String::new());
    for (index, ty) in types.iter().enumerate() {
        kinds.push_str(&format!(
            "record r{index} {{ x: {ty}, pad: pad }} type x{index} = {ty};"
        ));
        names.extend([format!("r{index}"), format!("x{index}")]);
        let parameters = format!("x: x{index}, pad: pad");
        store.push_str(&format!(
            "put{index}: func({parameters}); get{index}: func({parameters}) -> r{index};"
        ));
        exports.push_str(&format!(
            "export f{index}: func({parameters}) -> r{index}; export g{index}: func({parameters}) -> r{index};"
        ));
        imports.push_str(&format!(
            r#"(import "acme:any/store" "put{index}" (func $put{index} (param i32)))
               (import "acme:any/store" "get{index}" (func $get{index} (param i32 i32)))"#
        ));
        functions.push_str(&format!(
            r#"(func (export "f{index}") (param i32) (result i32)
                 (call $put{index} (local.get 0))
                 (local.get 0))
               (func (export "g{index}") (param i32) (result i32)
                 (call $get{index} (local.get 0) (i32.const 1024))
                 (i32.const 1024))"#
        ));
    }
    let names = names.join(", ");
    component_from_wit(
        &format!(
            "package acme:any {{
               interface kinds {{ {kinds} }}
               interface store {{ use kinds.{{{names}}}; {store} }}
             }}
             world guest {{
               import acme:any/store;
               use acme:any/kinds.{{{names}}};
               {exports}
             }}"
        ),
        &format!("(module {imports} {MEMORY} {functions})"),
    )
}

#[tokio::test]
async fn stubs_of_random_types_change_nothing_or_name_their_import() {
    for seed in 1..=COMPONENTS {
        let mut rng = Rng::new(seed);
        let mut generator = TypeGenerator::default();
        let mut types = Vec::new();
        while types.len() < TYPES_PER_COMPONENT {
            let before = generator.definitions.len();
            let ty = generator.ty(&mut rng, 4);
            // Lists of flags with short names are refused.
            match generator.definitions[before..].contains("flags ") {
                true => generator.definitions.truncate(before),
                false => types.push(ty),
            }
        }
        let definitions = &generator.definitions;
        let wits: Vec<_> = types.iter().map(|(wit, _)| wit.as_str()).collect();
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "guest",
            &importing_component(definitions, &wits),
        );
        let text = "[server]\nlenient-arguments = false\n\
                    [[component]]\nref = \"guest.wasm\"\nmissing-imports = \"stub\"";
        let host = Host::configured_in(dir, text).await;
        let client = host.client();
        let list = client.list().await;
        for (index, (wit, ty)) in types.iter().enumerate() {
            let context = format!("{wit}\nof\n{definitions}");
            let function = Function::of(&host, list.result(), &format!("f{index}"), context);
            for _ in 0..VALUES_PER_TYPE {
                let (given, expected) = ty.value(&mut rng);
                function
                    .assert_returns(arguments(&given), "/x", &expected)
                    .await;
                let answer = client.call(&format!("g{index}"), arguments(&given)).await;
                let words = format!(
                    "the tool needs `acme:any/store#get{index}`, which this host does not have"
                );
                assert_eq!(answer.failure(), words);
            }
        }
    }
}
