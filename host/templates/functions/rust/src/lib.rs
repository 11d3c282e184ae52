//! The function `count-words` of `wit/component.wit`, which becomes the tool `count_words`.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "component" });
}

use bindings::exports::local::component::counting::{Counts, Guest};

/// The documentation of the functions, which becomes the descriptions of the tools.
#[unsafe(link_section = "package-docs")]
#[used]
static DOCS: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/package-docs")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/package-docs"));

struct Component;

bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    fn count_words(text: String) -> Result<Counts, String> {
        let words = text.split_whitespace().count() as u32;
        if words == 0 {
            return Err("the text has no words".into());
        }
        let characters = text.chars().filter(|c| !c.is_whitespace()).count() as u32;
        Ok(Counts { words, lines: text.lines().count() as u32, characters })
    }
}
