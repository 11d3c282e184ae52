//! Input required: the requests that a guest sends to the client (elicitation, sampling, roots) and the client's
//! responses.
//!
//! In revision 2026-07-28 the client repeats its call with the responses (multi round-trip requests). The state between
//! two rounds travels with the client as the request state. It is sealed, so that it is accepted only unchanged, from
//! the same caller and for the same call. In older revisions the client responds while the call waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses,
};
use rmcp::service::PeerRequestOptions;
use rmcp::{ErrorData, Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::convert::pointer;
use super::quota;
use super::seal::Seal;
use crate::auth::Caller;
use crate::component::{self, Answer, ClientFeatures, Questions, TargetKind};

/// The maximum number of rounds of input requests that a waiting call may take.
pub(super) const MAX_ROUNDS: usize = 16;
/// The maximum number of calls of one connection that may wait for responses at the same time. They hold no call permit
/// meanwhile.
pub(super) const MAX_WAITING_CALLS: usize = 16;
/// The maximum memory of one response while other responses of its round are missing.
pub(super) const MAX_RESPONSE_BYTES: usize = 1 << 20;
/// How long a call waits for the client's response.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(600);
/// The maximum size of a request state before it is sealed.
const MAX_STATE_BYTES: usize = 1 << 20;

/// The caller and the request that a request state is bound to.
pub(super) struct Binding {
    pub(super) method: &'static str,
    /// The name of the tool or prompt, or the URI of the resource.
    pub(super) name: String,
    pub(super) arguments: Arc<Value>,
    pub(super) caller: Option<Arc<Caller>>,
}

impl Binding {
    /// Encodes the binding as a JSON array with sorted arguments.
    fn bytes(&self) -> Vec<u8> {
        let mut arguments = (*self.arguments).clone();
        arguments.sort_all_objects();
        // The key is JSON already.
        let caller = self
            .caller
            .as_ref()
            .map_or("null", |caller| caller.user_client_key());
        let (method, name) = (json!(self.method), json!(self.name));
        format!("[{method},{name},{arguments},{caller}]").into_bytes()
    }
}

/// The input requests of a call and the responses to them, over all its rounds.
///
/// Sealed request states contain it as JSON. The member names must not change, so that states sealed by an earlier
/// version remain valid.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Rounds {
    /// The guest's own state.
    #[serde(with = "base64_bytes")]
    state: Option<Vec<u8>>,
    /// The input requests of the last round.
    #[serde(rename = "asked")]
    requests: Vec<PendingRequest>,
    /// The responses of all rounds by key.
    #[serde(rename = "answers")]
    responses: BTreeMap<String, Value>,
}

/// An input request that the component's checks have accepted.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PendingRequest {
    pub(super) key: String,
    pub(super) request: Value,
}

impl Rounds {
    /// Opens the request state of a request and adds its input responses.
    ///
    /// # Errors
    /// The state was not sealed by this server for this caller and call, or a response is malformed.
    pub(super) fn open(
        seal: &Seal,
        binding: &Binding,
        state: Option<&str>,
        responses: Option<InputResponses>,
    ) -> Result<Self, ErrorData> {
        let mut rounds: Self = match state {
            None => Self::default(),
            Some(state) => seal.open(state, &binding.bytes()).map_err(|error| {
                let message = format!(
                    "`requestState` is not one that this server gave for this call ({error}); \
                     call again without it"
                );
                ErrorData::invalid_params(message, None)
            })?,
        };
        for (key, value) in responses.unwrap_or_default() {
            let pending = rounds.requests.iter().find(|pending| pending.key == key);
            // Ignores responses that were not requested. Without a state only the guest knows what it requests.
            if state.is_some() && pending.is_none() {
                continue;
            }
            let method = pending.map(PendingRequest::method);
            if let Err(problem) = check_response(method, &value) {
                let message = format!("`/inputResponses/{}` {problem}", pointer(&key));
                return Err(ErrorData::invalid_params(message, None));
            }
            rounds.responses.insert(key, value);
        }
        Ok(rounds)
    }

    /// Returns the input requests without a response.
    pub(super) fn missing(&self) -> impl Iterator<Item = &PendingRequest> {
        self.requests
            .iter()
            .filter(|pending| !self.responses.contains_key(&pending.key))
    }

    /// Starts the next round with the guest's new input requests.
    pub(super) fn ask(&mut self, questions: Questions) {
        self.state = questions.state;
        self.requests.clear();
        for question in questions.asked {
            // A key that is requested again needs a new response.
            self.responses.remove(&question.key);
            // The component's checks have already parsed the parameters.
            let params = component::parse_guest_json(&question.params).unwrap_or_default();
            self.requests.push(PendingRequest {
                request: json!({ "method": question.method, "params": params }),
                key: question.key,
            });
        }
    }

    /// Adds the response to an input request.
    ///
    /// # Errors
    /// The response is malformed.
    pub(super) fn answer(&mut self, pending: &PendingRequest, value: Value) -> Result<(), String> {
        check_response(Some(pending.method()), &value)?;
        self.responses.insert(pending.key.clone(), value);
        Ok(())
    }

    /// Returns the memory that the call takes while it waits, including the missing responses at their maximum size.
    pub(super) fn waiting_bytes(&self) -> usize {
        let pending = self
            .requests
            .iter()
            .map(|pending| quota::json_bytes(&pending.request));
        self.state.as_ref().map_or(0, Vec::len)
            + pending.sum::<usize>()
            + self
                .responses
                .values()
                .map(quota::json_bytes)
                .sum::<usize>()
            + self.missing().count() * MAX_RESPONSE_BYTES
    }

    /// Returns the input of the guest's next round: all responses so far, and its own state.
    pub(super) fn guest_input(&self) -> (Vec<Answer>, Option<Vec<u8>>) {
        let answers = self.responses.iter().map(|(key, value)| Answer {
            key: key.clone(),
            value: value.to_string(),
        });
        (answers.collect(), self.state.clone())
    }

    /// Returns the result that asks the client for the missing responses. It contains the sealed request state.
    ///
    /// # Errors
    /// One sentence: the state is too large, or an input request is not one of MCP's.
    pub(super) fn seal(
        &self,
        seal: &Seal,
        binding: &Binding,
        called: TargetKind,
    ) -> Result<InputRequiredResult, String> {
        let mut requests = InputRequests::new();
        for pending in self.missing() {
            requests.insert(pending.key.clone(), pending.request(called)?);
        }
        let text = serde_json::to_vec(self).unwrap_or_default();
        if text.len() > MAX_STATE_BYTES {
            return Err(format!(
                "the {called}'s questions, its state and the answers so far take more than \
                 {MAX_STATE_BYTES} bytes"
            ));
        }
        let state = seal.seal(&text, &binding.bytes());
        Ok(InputRequiredResult::new(Some(requests), Some(state)))
    }
}

impl PendingRequest {
    /// Returns the MCP method of the request.
    pub(super) fn method(&self) -> &str {
        self.request["method"].as_str().unwrap_or_default()
    }

    /// Converts to MCP's input request.
    ///
    /// # Errors
    /// One sentence: the parameters do not match the method.
    pub(super) fn request(&self, called: TargetKind) -> Result<InputRequest, String> {
        // `roots/list` needs no parameters.
        serde_json::from_value(self.request.clone()).map_err(|_| {
            format!(
                "the {called} asks the question `{}` with parameters that are not those of `{}`",
                self.key,
                self.method()
            )
        })
    }

    /// Sends the request to the client of an older revision and waits for the response.
    ///
    /// # Errors
    /// One sentence: the reason there is no response.
    pub(super) async fn ask(
        &self,
        peer: &Peer<RoleServer>,
        called: TargetKind,
    ) -> Result<Value, String> {
        let request = match self.request(called)? {
            InputRequest::CreateMessage(request) => request.into(),
            InputRequest::Elicitation(request) => request.into(),
            InputRequest::ListRoots(request) => request.into(),
            _ => return Err(format!("the question `{}` is unknown", self.key)),
        };
        let options = PeerRequestOptions::with_timeout(MAX_RESPONSE_TIME);
        let handle = peer.send_cancellable_request(request, options).await;
        let answered = match handle {
            Ok(handle) => handle.await_response().await,
            Err(error) => Err(error),
        };
        let answer = answered.map_err(|error| {
            tracing::info!(input_request.key = %self.key, %error, "input request not answered");
            format!("the client did not answer the {called}'s question")
        })?;
        let answer = serde_json::to_value(answer).unwrap_or_default();
        if quota::json_bytes(&answer) > MAX_RESPONSE_BYTES {
            return Err(format!(
                "the client's answer to the question `{}` takes more than {MAX_RESPONSE_BYTES} bytes",
                self.key
            ));
        }
        Ok(answer)
    }
}

/// Returns the kinds of input requests that the client has declared support for.
pub(super) fn client_features(client: Option<&ClientCapabilities>) -> ClientFeatures {
    client.map_or_else(ClientFeatures::default, |client| ClientFeatures {
        elicitation: client.elicitation.is_some(),
        sampling: client.sampling.is_some(),
        roots: client.roots.is_some(),
    })
}

/// Returns the capabilities that the open input requests need and the client has not declared, or `None` if it has
/// declared all. Some requests need a sub-capability, such as `elicitation.url` (MCP, client features).
pub(super) fn missing_capabilities(
    rounds: &Rounds,
    client: Option<&ClientCapabilities>,
) -> Option<ClientCapabilities> {
    let declared = serde_json::to_value(client).unwrap_or_default();
    let mut needed = json!({});
    for pending in rounds.missing() {
        let params = &pending.request["params"];
        let (capability, part) = match pending.method() {
            "elicitation/create" if params["mode"] == "url" => ("elicitation", Some("url")),
            // A client that declares no mode supports forms; one that declares only `url` may not.
            "elicitation/create" if declared["elicitation"]["url"].is_object() => {
                ("elicitation", Some("form"))
            }
            "elicitation/create" => ("elicitation", None),
            "sampling/createMessage" => {
                let is_given = |key: &str| !params[key].is_null();
                let with_tools = is_given("tools") || is_given("toolChoice");
                ("sampling", with_tools.then_some("tools"))
            }
            _ => ("roots", None),
        };
        let has = &declared[capability];
        if has.is_object() && part.is_none_or(|part| has[part].is_object()) {
            continue;
        }
        if needed[capability].is_null() {
            needed[capability] = json!({});
        }
        if let Some(part) = part {
            needed[capability][part] = json!({});
        }
    }
    let is_any = needed.as_object().is_some_and(|needed| !needed.is_empty());
    is_any.then(|| serde_json::from_value(needed).unwrap_or_default())
}

/// Checks a response against the result type of its method (MCP, client features).
fn check_response(method: Option<&str>, value: &Value) -> Result<(), &'static str> {
    let Value::Object(answer) = value else {
        return Err("must be an object");
    };
    match method {
        Some("elicitation/create") => match answer.get("action").and_then(Value::as_str) {
            Some("accept") if answer.get("content").is_some_and(|c| !c.is_object()) => {
                Err("must have an object as its `content`")
            }
            Some("accept" | "decline" | "cancel") => Ok(()),
            _ => Err("must have the `action` `accept`, `decline` or `cancel`"),
        },
        Some("sampling/createMessage")
            if !(answer.contains_key("role") && answer.contains_key("content")) =>
        {
            Err("must have `role` and `content`")
        }
        Some("roots/list") if !answer.get("roots").is_some_and(Value::is_array) => {
            Err("must have a list as its `roots`")
        }
        _ => Ok(()),
    }
}

/// Serializes bytes as base64, since a JSON list of numbers is about four times as long.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = bytes.as_ref().map(|bytes| BASE64.encode(bytes));
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let bytes = text.map(|text| BASE64.decode(text));
        bytes.transpose().map_err(de::Error::custom)
    }
}
