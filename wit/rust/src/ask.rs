//! Questions to the client, such as a form for its user.
//!
//! A call that asks runs in rounds: the first use of a key ends the round with the question, the host gets the answer and
//! calls the tool again with the same arguments, and there the same line returns the answer. So everything before a question
//! runs once more; [`keep`] carries what was expensive to the next round.
//!
//! ```
//! use toolcrib_guest::ask::{self, Form};
//! use toolcrib_guest::{Error, schemars, serde, tool};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Confirmation {
//!     /// Whether to go on.
//!     sure: bool,
//! }
//!
//! /// Deletes a folder, after a question.
//! #[tool(destructive)]
//! fn delete(folder: String) -> Result<String, Error> {
//!     match ask::form("sure", &format!("Delete {folder}?"))? {
//!         Form::Accepted(Confirmation { sure: true }) => Ok(format!("{folder} is deleted")),
//!         _ => Ok("nothing is deleted".into()),
//!     }
//! }
//! ```

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Error;
use crate::bindings::toolcrib::mcp::types::Question;
use crate::round::with_round;

/// The MCP method of a form for the client's user.
pub const ELICITATION: &str = "elicitation/create";
/// The MCP method of a text from the client's model.
pub const SAMPLING: &str = "sampling/createMessage";

/// The answer to a form.
#[derive(Debug, Clone, PartialEq)]
pub enum Form<T> {
    /// The user filled in the form.
    Accepted(T),
    /// The user refused.
    Declined,
    /// The user closed the form.
    Cancelled,
}

/// Asks the client's user to fill in the form `T`, a struct of texts, numbers, booleans and enums.
///
/// `key` identifies the question within the call: 1 to 64 characters.
///
/// # Errors
/// The question is not answered yet, which ends the round; or the answer does not fit. Pass both on with `?`.
pub fn form<T: JsonSchema + DeserializeOwned>(key: &str, message: &str) -> Result<Form<T>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        action: String,
        content: Option<Value>,
    }
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("title");
    }
    let answer = question(key, ELICITATION, || json!({ "message": message, "requestedSchema": schema }))?;
    let answer: Answer = serde_json::from_value(answer)?;
    Ok(match answer.action.as_str() {
        "accept" => Form::Accepted(
            serde_json::from_value(answer.content.unwrap_or_else(|| json!({})))
                .map_err(|error| Error::failed(format!("the answer to `{key}` does not fit its form: {error}")))?,
        ),
        "decline" => Form::Declined,
        _ => Form::Cancelled,
    })
}

/// Asks the client a question of any MCP method, such as [`SAMPLING`], and returns the method's result.
///
/// # Errors
/// The question is not answered yet, which ends the round, or the answer is not JSON. Pass both on with `?`.
pub fn question(key: &str, method: &str, params: impl FnOnce() -> Value) -> Result<Value, Error> {
    let answer = with_round(|round| {
        let answer = round.answers.iter().find(|answer| answer.key == key);
        answer.map(|answer| serde_json::from_str(&answer.value))
    });
    match answer {
        Some(answer) => Ok(answer?),
        None => {
            Err(Error::Ask(Question { key: key.to_owned(), method: method.to_owned(), params: params().to_string() }))
        }
    }
}

/// Returns whether the client of this call can answer questions of a method. A question that it cannot answer fails the
/// call.
pub fn can(method: &str) -> bool {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::toolcrib::mcp::call::can_ask(method);
    #[cfg(not(target_arch = "wasm32"))]
    return method == ELICITATION;
}

/// Keeps bytes for the rounds after the next question. The client can read but not change them.
pub fn keep(state: Vec<u8>) {
    with_round(|round| round.state = Some(state));
}

/// Returns the bytes that an earlier round passed to [`keep`].
pub fn kept() -> Option<Vec<u8>> {
    with_round(|round| round.state.clone())
}
