//! Random resources: what a constructor takes is what a method returns, in a call and in a session, and the host accepts
//! what the listed schemas accept.

use serde_json::{Value, json};

use super::random_types::generator::{Ty, TypeGenerator};
use super::random_types::{Counts, Function, arguments, mutate};
use super::{MEMORY, PAD};
use crate::support::guest::component_from_wit;
use crate::support::rng::Rng;
use crate::support::server::Host;

const COMPONENTS: u64 = 3;
const RESOURCES_PER_COMPONENT: usize = 5;
const VALUES_PER_RESOURCE: usize = 4;
const MUTATIONS_PER_RESOURCE: usize = 8;

/// Builds a component with a resource `t0`, `t1`, … per pair of types. Its constructor takes `x` of the first one, which
/// `get` returns; `echo` takes `x` of the second one and returns it.
///
/// A resource is the pointer to the parameters of its constructor. Parameters and results have the same layouts, as in
/// `echo_component`; that of `echo` begins with the resource.
fn resource_component(definitions: &str, types: &[[String; 2]]) -> Vec<u8> {
    let mut interface = format!("{PAD}{definitions}");
    let (mut imports, mut functions) = (String::new(), String::new());
    for (index, [made, taken]) in types.iter().enumerate() {
        interface.push_str(&format!(
            "record r{index} {{ x: {made}, pad: pad }}
             record s{index} {{ me: u32, x: {taken}, pad: pad }}
             resource t{index} {{
               constructor(x: {made}, pad: pad);
               get: func() -> r{index};
               echo: func(x: {taken}, pad: pad) -> s{index};
             }}"
        ));
        imports.push_str(&format!(
            r#"(import "[export]things" "[resource-new]t{index}" (func $new{index} (param i32) (result i32)))"#
        ));
        functions.push_str(&format!(
            r#"(func (export "things#[constructor]t{index}") (param i32) (result i32) (call $new{index} (local.get 0)))
               (func (export "things#[method]t{index}.get") (param i32) (result i32) (local.get 0))
               (func (export "things#[method]t{index}.echo") (param i32) (result i32) (local.get 0))"#
        ));
    }
    component_from_wit(
        &format!("world guest {{ export things: interface {{ {interface} }} }}"),
        &format!("(module {imports} {MEMORY} {functions})"),
    )
}

/// The types of a resource's constructor and of its method, and the tools made of it.
struct Resource {
    name: String,
    made: Ty,
    taken: Ty,
    get: Function,
    echo: Function,
    session: Function,
}

impl Resource {
    /// Returns arguments as a client may send them: those of `get`, `echo` and of the session with both, and what
    /// the constructor and `echo` got.
    fn calls(&self, rng: &mut Rng) -> ([Value; 3], [Value; 2]) {
        let (made, of_get) = self.made.value(rng);
        let (taken, of_echo) = self.taken.value(rng);
        let own = arguments(&made);
        let mut echo = arguments(&taken);
        echo[&self.name] = own.clone();
        let steps = json!([{ "echo": arguments(&taken) }, "get"]);
        let calls = [
            json!({ &self.name: own.clone() }),
            echo,
            json!({ &self.name: own, "steps": steps }),
        ];
        (calls, [of_get, of_echo])
    }
}

#[tokio::test]
async fn random_resources_keep_their_values_and_schemas_match_the_host() {
    let mut counts = Counts::default();
    for seed in 1..=COMPONENTS {
        let mut rng = Rng::new(seed);
        let mut generator = TypeGenerator::default();
        let mut types = Vec::new();
        for _ in 0..RESOURCES_PER_COMPONENT {
            types.push([generator.ty(&mut rng, 3), generator.ty(&mut rng, 3)]);
        }
        let wits: Vec<_> = types
            .iter()
            .map(|pair| pair.each_ref().map(|(wit, _)| wit.clone()))
            .collect();
        let component = resource_component(&generator.definitions, &wits);
        let host = Host::serving_component_with(&component, |config| {
            config.server.lenient_arguments = false;
        })
        .await;
        let list = host.client().list().await;
        for (index, [(made_wit, made), (taken_wit, taken)]) in types.into_iter().enumerate() {
            let name = format!("t{index}");
            let tool = |suffix: &str| {
                let context = format!("{made_wit}; {taken_wit}\nof\n{}", generator.definitions);
                Function::of(&host, list.result(), &format!("{name}_{suffix}"), context)
            };
            let resource = Resource {
                get: tool("get"),
                echo: tool("echo"),
                session: tool("session"),
                name: name.clone(),
                made,
                taken,
            };
            for _ in 0..VALUES_PER_RESOURCE {
                let ([get, echo, session], [of_get, of_echo]) = resource.calls(&mut rng);
                resource.get.assert_returns(get, "/x", &of_get).await;
                resource.echo.assert_returns(echo, "/x", &of_echo).await;
                for (at, expected) in [("/results/0/x", &of_echo), ("/results/1/x", &of_get)] {
                    let steps = session.clone();
                    resource.session.assert_returns(steps, at, expected).await;
                }
            }
            for _ in 0..MUTATIONS_PER_RESOURCE {
                let (calls, _) = resource.calls(&mut rng);
                let tools = [&resource.get, &resource.echo, &resource.session];
                for (tool, mut arguments) in tools.into_iter().zip(calls) {
                    for _ in 0..=rng.below(2) {
                        mutate(&mut rng, &mut arguments);
                    }
                    // MCP requires an object.
                    if arguments.is_object() {
                        tool.assert_schema_matches(&arguments, &mut counts).await;
                    }
                }
            }
        }
    }
    // Guards against mutations that test nothing.
    assert!(counts.rejected > 100 && counts.accepted > 20, "{counts:?}");
}
