//! Arguments of a call: JSON text to a struct.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// All arguments as one struct: the only parameter of a tool that does not list them as parameters.
///
/// ```
/// use toolcrib_guest::{Arguments, schemars, serde, tool};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Size {
///     /// In pixels.
///     width: u32,
///     /// In pixels.
///     height: u32,
/// }
///
/// /// Returns the number of pixels.
/// #[tool]
/// fn area(Arguments(size): Arguments<Size>) -> String {
///     (size.width * size.height).to_string()
/// }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Arguments<T>(pub T);

impl<T: JsonSchema> JsonSchema for Arguments<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Parses the arguments, and releases the memory of their text. The host has compared them with the schema, so this fails
/// only for rules that the schema does not express.
pub fn arguments<T: DeserializeOwned>(json: String) -> Result<T, Error> {
    serde_json::from_str(&json).map_err(Error::invalid_arguments)
}
