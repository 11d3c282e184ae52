//! What a model reads: the documentation of the WIT where the component carries it, else what can be told without.

use serde_json::{Value, json};

use super::{MEMORY, tool};
use crate::support::guest::{custom_section, documented, packaged};
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
      /// What is in stock.
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
      /// What may be done.
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
    let host = Host::of_component(component).await;
    host.client().list().await.result().clone()
}

#[tokio::test]
async fn documentation() {
    let list = list(&documented(WIT, &module())).await;
    for (name, description) in [
        ("turn", "Turns the wheel.\n\nSlowly."),
        ("say", "Says it."),
        ("cook", "Cooks a meal."),
        // What has none is told all the same.
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
    for (name, pointer, wanted) in [
        (
            "turn",
            "/properties/under/description",
            "A kind of weather.\n- `clear`: No cloud at all.",
        ),
        ("cook", "/properties/of/description", "What is in stock."),
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
            "What may be done.\n- `cook`: With heat.",
        ),
        ("move", "/properties/to/description", "A place."),
    ] {
        assert_eq!(at(name, pointer), wanted, "{name} {pointer}");
    }
    assert_eq!(
        at("turn", "/properties/by"),
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    );
    assert_eq!(
        tool(&list, "cook")["outputSchema"]["description"],
        "What is in stock."
    );
}

/// Without documentation, with some that is for another world, and with rubbish in its place, all else is the same.
#[tokio::test]
async fn documentation_that_is_not_there() {
    let plain = packaged(WIT, &module());
    let wanted = list(&plain).await;
    assert_eq!(
        tool(&wanted, "turn")["description"],
        "Calls the function `turn`. In WIT: `turn: func(by: u32, under: sky)`"
    );
    assert_eq!(
        tool(&wanted, "cook")["description"],
        "Calls the function `cook` of the interface `test:guest/kitchen`. In WIT: \
         `cook: func(of: stock, how: option<doing>) -> stock`"
    );
    let deep = format!("\u{1}{}", "[".repeat(100_000));
    let long = format!("\u{1}{{\"docs\":\"{}\"}}", "x".repeat(2 << 20));
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
        assert_eq!(list(&component).await, wanted, "{:.40}", section);
    }
    // Two sections: the first that knows the function tells of it. The world's name does not matter.
    let mut component = plain.clone();
    for docs in ["One.", "Two."] {
        let section = format!(
            "\u{1}{{\"worlds\":{{\"any\":{{\"func_exports\":{{\"turn\":{{\"docs\":\"{docs}\"}}}}}}}}}}"
        );
        component.extend(custom_section("package-docs", section.as_bytes()));
    }
    let found = list(&component).await;
    assert_eq!(tool(&found, "turn")["description"], "One.");
}
