//! Questions that a guest asks the client, and what the client answered.
//!
//! On 2026-07-28 the client calls again with the answers (multi round-trip
//! requests), and what lies between two rounds travels with it: sealed, so that
//! it comes back unchanged, from the same caller and for the same call. The older
//! revisions answer while the call waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    JsonObject, RequestStateCodec, SealOptions,
};
use rmcp::service::PeerRequestOptions;
use rmcp::{ErrorData, Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::convert::pointer;
use super::quota;
use crate::auth::Caller;
use crate::component::{Answer, ClientFeatures, Questions, TargetKind};

/// Rounds of questions that one call may take where it waits for the answers.
pub(super) const MAX_ROUNDS: usize = 16;
/// Calls of one connection that may wait for answers at the same time; their
/// places are free for others meanwhile.
pub(super) const MAX_WAITING: usize = 16;
/// The memory of one answer while others of its round are missing.
pub(super) const MAX_ANSWER_BYTES: usize = 1 << 20;
/// How long a client may take to answer while a call waits.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(600);
/// How long a sealed state is good for.
const STATE_TTL: Duration = Duration::from_secs(3_600);
/// The largest state that travels with a client, in bytes before it is sealed.
const MAX_STATE_BYTES: usize = 1 << 20;

/// Seals what travels with clients between two rounds.
#[derive(Clone)]
pub(super) struct Seal(Arc<RequestStateCodec>);

impl Seal {
    /// With this key of 32 bytes or more; with one of its own where there is none,
    /// which no other replica and no later start knows.
    pub(super) fn new(key: Option<&[u8]>) -> Self {
        let key = match key {
            Some(key) => key.to_vec(),
            None => [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
                .iter()
                .flat_map(|id| *id.as_bytes())
                .collect(),
        };
        // `App::build` holds keys to their length.
        Self(Arc::new(RequestStateCodec::new_unchecked(key)))
    }
}

/// What a sealed state is good for: one caller and one request.
pub(super) struct Binding {
    pub(super) method: &'static str,
    /// The tool, the prompt, the document.
    pub(super) name: String,
    pub(super) arguments: Arc<JsonObject>,
    pub(super) caller: Option<Arc<Caller>>,
}

impl Binding {
    /// The same for the same arguments in any order.
    fn bytes(&self) -> Vec<u8> {
        let caller = self.caller.as_ref();
        let caller = caller.map(|c| (&c.issuer, &c.subject, &c.client_id));
        let mut arguments = Value::Object((*self.arguments).clone());
        arguments.sort_all_objects();
        json!([self.method, self.name, arguments, caller])
            .to_string()
            .into_bytes()
    }
}

/// The questions of a call and the answers to them, over all its rounds.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Rounds {
    /// The guest's own state.
    #[serde(with = "base64_bytes")]
    state: Option<Vec<u8>>,
    /// What was asked last.
    asked: Vec<Asked>,
    /// What was answered, in all rounds.
    answers: BTreeMap<String, Value>,
}

/// A question that the contract's checks have let through.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) key: String,
    pub(super) request: Value,
}

impl Rounds {
    /// What a request brings with it: its state, once opened, and its answers.
    ///
    /// # Errors
    /// A state that this host did not seal for this caller and call, or an answer
    /// that is none.
    pub(super) fn open(
        seal: &Seal,
        binding: &Binding,
        state: Option<&str>,
        responses: Option<InputResponses>,
    ) -> Result<Self, ErrorData> {
        let mut rounds: Self = match state {
            None => Self::default(),
            Some(state) => seal
                .0
                .open_json_with(state, &binding.bytes())
                .map_err(|error| {
                    let message = format!(
                        "`requestState` is not one that this server gave for this call ({error}); \
                     call again without it"
                    );
                    ErrorData::invalid_params(message, None)
                })?,
        };
        for (key, value) in responses.unwrap_or_default() {
            let asked = rounds.asked.iter().find(|asked| asked.key == key);
            // Nobody asked for it. Without a state it is the guest that knows.
            if state.is_some() && asked.is_none() {
                continue;
            }
            let method = asked.map(Asked::method);
            if let Err(what) = check_answer(method, &value) {
                let message = format!("`/inputResponses/{}` {what}", pointer(&key));
                return Err(ErrorData::invalid_params(message, None));
            }
            rounds.answers.insert(key, value);
        }
        Ok(rounds)
    }

    /// What was asked and not answered.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Asked> {
        self.asked
            .iter()
            .filter(|asked| !self.answers.contains_key(&asked.key))
    }

    /// Another round.
    pub(super) fn ask(&mut self, questions: Questions) {
        self.state = questions.state;
        self.asked.clear();
        for question in questions.asked {
            // Who asks again wants another answer.
            self.answers.remove(&question.key);
            // The contract's checks have parsed them before.
            let params: Value = serde_json::from_str(&question.params).unwrap_or_default();
            self.asked.push(Asked {
                request: json!({ "method": question.method, "params": params }),
                key: question.key,
            });
        }
    }

    /// Takes the answer to a question that was asked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn answer(&mut self, asked: &Asked, value: Value) -> Result<(), String> {
        check_answer(Some(asked.method()), &value)?;
        self.answers.insert(asked.key.clone(), value);
        Ok(())
    }

    /// The memory that it takes while nothing runs, with the answers that are
    /// missing.
    pub(super) fn waiting_bytes(&self) -> usize {
        let asked = self.asked.iter().map(|asked| quota::bytes(&asked.request));
        self.state.as_ref().map_or(0, Vec::len)
            + asked.sum::<usize>()
            + self.answers.values().map(quota::bytes).sum::<usize>()
            + self.missing().count() * MAX_ANSWER_BYTES
    }

    /// What the guest gets: every answer so far, and its own state.
    pub(super) fn given(&self) -> (Vec<Answer>, Option<Vec<u8>>) {
        let answers = self.answers.iter().map(|(key, value)| Answer {
            key: key.clone(),
            value: value.to_string(),
        });
        (answers.collect(), self.state.clone())
    }

    /// What the client gets: the questions that are open, and all of this.
    ///
    /// # Errors
    /// One sentence: too much, or no question of MCP.
    pub(super) fn seal(
        &self,
        seal: &Seal,
        binding: &Binding,
        called: TargetKind,
    ) -> Result<InputRequiredResult, String> {
        let mut requests = InputRequests::new();
        for asked in self.missing() {
            requests.insert(asked.key.clone(), asked.request(called)?);
        }
        let text = serde_json::to_vec(self).unwrap_or_default();
        if text.len() > MAX_STATE_BYTES {
            return Err(format!(
                "the {called}'s questions, its state and the answers so far take more than \
                 {MAX_STATE_BYTES} bytes"
            ));
        }
        let binding = binding.bytes();
        let options = SealOptions::new().associated_data(&binding).ttl(STATE_TTL);
        let state = seal.0.seal_with(&text, &options);
        Ok(InputRequiredResult::new(Some(requests), Some(state)))
    }
}

impl Asked {
    pub(super) fn method(&self) -> &str {
        self.request["method"].as_str().unwrap_or_default()
    }

    /// As MCP has it.
    ///
    /// # Errors
    /// One sentence: the parameters are not those of its method.
    pub(super) fn request(&self, called: TargetKind) -> Result<InputRequest, String> {
        // `roots/list` may come without parameters of its own.
        serde_json::from_value(self.request.clone()).map_err(|_| {
            format!(
                "the {called} asks the question `{}` with parameters that are not those of `{}`",
                self.key,
                self.method()
            )
        })
    }

    /// Asks it while the call waits, as the older revisions do.
    ///
    /// # Errors
    /// One sentence: why there is no answer.
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
        let options = PeerRequestOptions::with_timeout(MAX_ANSWER_TIME);
        let handle = peer.send_cancellable_request(request, options).await;
        let answered = match handle {
            Ok(handle) => handle.await_response().await,
            Err(error) => Err(error),
        };
        let answer = answered.map_err(|error| {
            tracing::info!(question.key = %self.key, %error, "question not answered");
            format!("the client did not answer the {called}'s question")
        })?;
        let answer = serde_json::to_value(answer).unwrap_or_default();
        if quota::bytes(&answer) > MAX_ANSWER_BYTES {
            return Err(format!(
                "the client's answer to the question `{}` takes more than {MAX_ANSWER_BYTES} bytes",
                self.key
            ));
        }
        Ok(answer)
    }
}

/// Which questions the client declared that it can answer.
pub(super) fn client_features(client: Option<&ClientCapabilities>) -> ClientFeatures {
    client.map_or_else(ClientFeatures::default, |client| ClientFeatures {
        elicitation: client.elicitation.is_some(),
        sampling: client.sampling.is_some(),
        roots: client.roots.is_some(),
    })
}

/// What the client would have to declare for these questions, where it did not:
/// a capability, and in some the part of it that says how (MCP, client features).
pub(super) fn undeclared(
    rounds: &Rounds,
    client: Option<&ClientCapabilities>,
) -> Option<ClientCapabilities> {
    let declared = serde_json::to_value(client).unwrap_or_default();
    let mut needed = json!({});
    for asked in rounds.missing() {
        let params = &asked.request["params"];
        let (capability, part) = match asked.method() {
            "elicitation/create" if params["mode"] == "url" => ("elicitation", Some("url")),
            // Who names no way to ask has forms; who names others may have none.
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

/// The results of the methods that questions can have (MCP, client features).
fn check_answer(method: Option<&str>, value: &Value) -> Result<(), &'static str> {
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

/// Bytes as text that is about as long; a list of numbers would be four times that.
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
