//! Descriptions of functions and their types: the WIT's documentation if the component contains it, else the signature.

use serde_json::{Value, json};

use super::{MEMORY, tool};
use crate::support::guest::{component_from_documented_wit, component_from_wit, custom_section};
use crate::support::server::Host;

const WIT: &str = "
    world guest {
      /// A kind of weather.
      enum sky {
        /// No cloud at all.
        clear,
        cloudy,
      }
      /// Turns the wheel.
      ///
      /// Slowly.
      export turn: func(by: u32, under: sky);
      export idle: func(by: option<u32>, all: list<sky>) -> result<u32, string>;
      export inner: interface {
        /// A small number.
        type small = u32;
        /// Says it.
        say: func(what: small);
      }
      export kitchen;
    }
    interface larder {
      /// The goods in stock.
      record stock {
        /// How much of it.
        amount: u32,
        /// Where it lies.
        place: shelf,
        unit: string,
      }
      /// A place.
      variant shelf {
        /// On the floor.
        floor,
        /// So many metres up.
        up(u32),
      }
    }
    interface kitchen {
      use larder.{stock, shelf};
      /// The ways to prepare it.
      flags doing {
        /// With heat.
        cook,
        wash,
      }
      /// Cooks a meal.
      cook: func(of: stock, how: option<doing>) -> stock;
      move: func(to: shelf);
    }
";

const FUNCTIONS: &str = r#"
    (func (export "turn") (param i32 i32))
    (func (export "idle") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "inner#say") (param i32))
    (func (export "test:guest/kitchen#cook") (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
    (func (export "test:guest/kitchen#move") (param i32 i32))
"#;

fn module() -> String {
    format!("(module {MEMORY} {FUNCTIONS})")
}

async fn list(component: &[u8]) -> Value {
    let host = Host::serving_component(component).await;
    host.client().list().await.result().clone()
}

#[tokio::test]
async fn wit_documentation_becomes_descriptions() {
    let list = list(&component_from_documented_wit(WIT, &module())).await;
    for (name, description) in [
        ("turn", "Turns the wheel.\n\nSlowly."),
        ("say", "Says it."),
        ("cook", "Cooks a meal."),
        // Functions without documentation are described by their signature.
        (
            "idle",
            "Calls the function `idle`. In WIT: `idle: func(by: option<u32>, all: list<sky>) -> result<u32, string>`",
        ),
        (
            "move",
            "Calls the function `move` of the interface `test:guest/kitchen`. In WIT: `move: func(to: shelf)`",
        ),
    ] {
        assert_eq!(tool(&list, name)["description"], description);
    }
    let at = |name: &str, pointer: &str| {
        tool(&list, name)["inputSchema"]
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{name} has no {pointer} in {list:#}"))
            .clone()
    };
    for (name, pointer, expected) in [
        (
            "turn",
            "/properties/under/description",
            "A kind of weather.\n- `clear`: No cloud at all.",
        ),
        ("cook", "/properties/of/description", "The goods in stock."),
        (
            "cook",
            "/properties/of/properties/amount/description",
            "How much of it.",
        ),
        (
            "cook",
            "/properties/of/properties/place/description",
            "Where it lies.\nA place.",
        ),
        (
            "cook",
            "/properties/of/properties/place/anyOf/0/description",
            "- `floor`: On the floor.",
        ),
        (
            "cook",
            "/properties/of/properties/place/anyOf/1/description",
            "So many metres up.",
        ),
        (
            "cook",
            "/properties/how/anyOf/0/description",
            "The ways to prepare it.\n- `cook`: With heat.",
        ),
        ("move", "/properties/to/description", "A place."),
    ] {
        assert_eq!(at(name, pointer), expected, "{name} {pointer}");
    }
    assert_eq!(
        at("turn", "/properties/by"),
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    );
    assert_eq!(
        tool(&list, "cook")["outputSchema"]["description"],
        "The goods in stock."
    );
}

/// Missing, malformed or oversized documentation, or that of another world, changes nothing else.
#[tokio::test]
async fn unusable_documentation_is_ignored() {
    let plain = component_from_wit(WIT, &module());
    let expected = list(&plain).await;
    assert_eq!(
        tool(&expected, "turn")["description"],
        "Calls the function `turn`. In WIT: `turn: func(by: u32, under: sky)`"
    );
    assert_eq!(
        tool(&expected, "cook")["description"],
        "Calls the function `cook` of the interface `test:guest/kitchen`. In WIT: \
         `cook: func(of: stock, how: option<doing>) -> stock`"
    );
    let deep = format!("\u{1}{}", "[".repeat(100_000));
    let of_turn = |docs| {
        format!(
            "\u{1}{{\"worlds\":{{\"any\":{{\"funcs\":{{\"turn\":{{\"docs\":\"{docs}\"}}}}}}}}}}"
        )
    };
    let long = of_turn("x".repeat(2 << 20));
    for section in [
        "",
        "\u{1}",
        "\u{1}rubbish",
        "\u{7}{}",
        "\u{1}[]",
        "\u{1}null",
        "\u{1}{\"worlds\":7}",
        "\u{1}{\"worlds\":{\"guest\":{\"func_exports\":{\"turn\":{\"docs\":7}}}}}",
        "\u{1}{\"worlds\":{\"guest\":{\"func_exports\":{\"turn\":{\"docs\":\"  \"}}}}}",
        "\u{1}{\"worlds\":{\"other\":{\"func_exports\":{\"other\":{\"docs\":\"x\"}}}}}",
        "\u{1}{\"interfaces\":{\"gone\":{\"funcs\":{\"turn\":\"x\"}}}}",
        &deep,
        &long,
    ] {
        let mut component = plain.clone();
        component.extend(custom_section("package-docs", section.as_bytes()));
        assert_eq!(list(&component).await, expected, "{:.40}", section);
    }
    // The first section that documents the function wins, if it is among the first sixteen. Names of worlds are
    // ignored.
    for (before, expected) in [
        (0, &json!("One.")),
        (15, &json!("One.")),
        (16, &tool(&expected, "turn")["description"]),
    ] {
        let mut component = plain.clone();
        let others = std::iter::repeat_n("\u{1}{}".to_owned(), before);
        for section in others.chain(["One.", "Two."].map(|docs| of_turn(docs.to_owned()))) {
            component.extend(custom_section("package-docs", section.as_bytes()));
        }
        let found = list(&component).await;
        assert_eq!(&tool(&found, "turn")["description"], expected, "{before}");
    }
    // Very long documentation is truncated.
    let mut component = plain;
    let section = of_turn("é".repeat(100_000));
    component.extend(custom_section("package-docs", section.as_bytes()));
    let found = list(&component).await;
    let description = tool(&found, "turn")["description"].as_str().unwrap();
    assert_eq!(description.len(), 16 << 10);
}

/// Long signatures are truncated.
#[tokio::test]
async fn functions_without_documentation_are_described_by_their_signature() {
    let many: String = (0..200).map(|n| format!("parameter{n}: u32,")).collect();
    let wit = format!(
        "world guest {{
           record point {{ x: s32, y: s32 }}
           type either = result<u8, string>;
           export all: func(a: bool, b: list<u8>, c: list<point>, d: option<char>, e: tuple<f32, f64>) -> string;
           export results: func(a: result, b: result<u8>, c: result<_, point>, d: either) -> result<_, string>;
           export long: func({many});
         }}"
    );
    let module = format!(
        r#"(module {MEMORY}
          (func (export "all") (param i32 i32 i32 i32 i32 i32 i32 f32 f64) (result i32) unreachable)
          (func (export "results") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
          (func (export "long") (param i32)))"#
    );
    let list = list(&component_from_wit(&wit, &module)).await;
    for (name, signature) in [
        (
            "all",
            "all: func(a: bool, b: list<u8>, c: list<point>, d: option<char>, e: tuple<f32, f64>) -> string",
        ),
        (
            "results",
            "results: func(a: result, b: result<u8>, c: result<_, point>, d: either) -> result<_, string>",
        ),
    ] {
        let expected = format!("Calls the function `{name}`. In WIT: `{signature}`");
        assert_eq!(tool(&list, name)["description"], expected);
    }
    let long = tool(&list, "long")["description"].as_str().unwrap();
    assert!(long.ends_with("…`") && long.len() < 1_100, "{long}");
}

#[tokio::test]
async fn both_types_of_a_result_are_documented() {
    let wit = "
        world guest {
          /// The good case.
          type good = u8;
          /// The bad case.
          type bad = u8;
          export f: func(x: result<good, bad>) -> result<good, bad>;
        }";
    let module = format!(
        r#"(module {MEMORY} (func (export "f") (param i32 i32) (result i32) unreachable))"#
    );
    let list = list(&component_from_documented_wit(wit, &module)).await;
    let x = &tool(&list, "f")["inputSchema"]["properties"]["x"]["anyOf"];
    assert_eq!(x[0]["properties"]["ok"]["description"], "The good case.");
    assert_eq!(x[1]["properties"]["error"]["description"], "The bad case.");
    let output = &tool(&list, "f")["outputSchema"]["properties"]["result"];
    assert_eq!(output["description"], "The good case.");
}
