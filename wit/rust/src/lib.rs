//! MCP tools from Rust functions.
//!
//! ```
//! use toolcrib_guest::tool;
//!
//! /// Returns the text in capitals.
//! #[tool]
//! fn shout(text: String) -> String {
//!     text.to_uppercase()
//! }
//!
//! toolcrib_guest::export!(shout);
//! ```
//!
//! A library with `crate-type = ["cdylib"]` that is built for `wasm32-wasip2` is then a component with the tool `shout`.
//!
//! - **Arguments** are the parameters, of any types that implement [`serde::Deserialize`] and [`schemars::JsonSchema`]. The
//!   JSON Schema follows from the types. Parameters may have doc comments, and the attributes `#[serde(…)]` and
//!   `#[schemars(…)]`. A function whose only parameter is [`Arguments<T>`](Arguments) takes the struct `T`.
//! - **The description** is the function's doc comment. `#[tool(title = "Shout", read_only, idempotent)]` sets more:
//!   `name`, `title`, the hints `read_only`, `destructive`, `idempotent` and `open_world`, and `meta`, a JSON object.
//! - **Results** implement [`IntoOutput`]: text, structured content with a schema ([`Json`]), pictures and other content.
//! - **Errors**: a function returns `Result<_, E>` with any `E` that implements `Display`, or with [`Error`], which also
//!   tells invalid arguments from other failures.
//! - **The call**: [`call`] reports progress, writes to the log and returns the caller; [`ask`] asks the client's user.
//!
//! The functions stay ordinary functions, which `cargo test` can call.

mod arguments;
mod error;
mod output;
mod round;
mod schema;

pub mod ask;
pub mod call;

/// The bindings of the contract, for everything that this crate does not offer.
pub mod bindings {
    #![allow(missing_docs, clippy::all)]
    wit_bindgen::generate!({
        path: "..",
        world: "tool-component",
        pub_export_macro: true,
        default_bindings_module: "toolcrib_guest::bindings",
    });
}

pub use schemars;
pub use serde;
pub use serde_json;
pub use toolcrib_guest_macros::tool;

pub use arguments::Arguments;
pub use bindings::exports::toolcrib::mcp::tool::Definition;
pub use bindings::toolcrib::mcp::types::{
    Annotations, Audience, Block, Body, Content, Embedded, Link, Media, Output, Role,
};
pub use error::Error;
pub use output::{IntoOutput, Json};

/// A tool. [`macro@tool`] implements it for a type that is named like the function.
pub trait Tool {
    /// The name, unique in the component.
    const NAME: &'static str;

    /// Returns the definition that the component describes itself with.
    fn definition() -> Definition;

    /// Runs one call. The arguments are a JSON object.
    fn call(arguments: String) -> Result<Output, Error>;
}

/// Exports functions with the attribute [`macro@tool`] as the tools of this component: `export!(shout, dates::weekday);`
#[macro_export]
macro_rules! export {
    ($($tool:path),+ $(,)?) => {
        const _: () = {
            struct Component;

            impl $crate::__private::Guest for Component {
                fn definitions() -> ::std::vec::Vec<$crate::Definition> {
                    ::std::vec![$(<$tool as $crate::Tool>::definition()),+]
                }

                fn call(
                    request: $crate::__private::Request,
                ) -> ::core::result::Result<$crate::__private::Outcome, $crate::__private::CallError> {
                    $crate::__private::call(
                        request,
                        &[$((<$tool as $crate::Tool>::NAME, <$tool as $crate::Tool>::call)),+],
                    )
                }
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

/// The items to which the macros expand. Not for use in other code.
#[doc(hidden)]
pub mod __private {
    pub use crate::arguments::arguments;
    pub use crate::bindings::exports::toolcrib::mcp::tool::{Error as CallError, Guest, Outcome, Request};
    pub use crate::round::call;
    pub use crate::schema::{Spec, definition};
}

/// Functions that are refused when they are compiled.
///
/// ```compile_fail
/// #[toolcrib_guest::tool]
/// fn undocumented() {}
/// ```
/// ```compile_fail
/// /// Borrows its argument.
/// #[toolcrib_guest::tool]
/// fn borrows(text: &str) {}
/// ```
/// ```compile_fail
/// /// Waits.
/// #[toolcrib_guest::tool]
/// async fn waits() {}
/// ```
/// ```compile_fail
/// /// Has an unknown option.
/// #[toolcrib_guest::tool(readonly)]
/// fn unknown_option() {}
/// ```
/// ```compile_fail
/// /// Has an invalid name.
/// #[toolcrib_guest::tool(name = "a b")]
/// fn invalid_name() {}
/// ```
/// ```compile_fail
/// /// Returns something else.
/// #[toolcrib_guest::tool]
/// fn no_result() -> std::time::Duration { std::time::Duration::ZERO }
/// ```
#[cfg(doctest)]
struct Refused;
