//! Limits on what it costs to parse a message.
//!
//! Values take up to a hundred times the memory of their text, so a body that is not small is scanned before it is built.
//! Messages without arguments have a small limit. The memory of the others counts against a quota of the caller and of
//! all callers until their calls have ended, and the large ones are parsed on other threads, a few at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::envelope::Malformed;
use super::jsonrpc::{self, Incoming};
use super::message_scan::{Scan, scan};
use super::responses::{self, INVALID_REQUEST, json_rpc};
use crate::catalog::{LiveCatalog, TargetName};
use crate::mcp::{Quota, Share};
use crate::text;

/// Bodies up to this size are parsed without being scanned. Their values take less than a megabyte.
const MAX_UNSCANNED_BYTES: usize = 8 << 10;
/// Size limit of a message without arguments, such as `ping`. Larger bodies are scanned and parsed on other threads.
const MAX_PLAIN_BYTES: usize = 64 << 10;
/// Memory of the values that are neither arguments nor answers.
const MAX_OTHER_BYTES: usize = 256 << 10;
/// Memory of a response of the client. Its answer may take 1 MiB.
const MAX_RESPONSE_BYTES: usize = 4 << 20;
/// Memory of a message that is parsed where it arrives.
const MAX_INLINE_BYTES: usize = 1 << 20;
/// Memory of all messages whose calls have not ended. A list of small numbers in a body of 4 MiB takes 150 MiB.
const MAX_MEMORY_BYTES: usize = 384 << 20;
/// The part of it that one caller may use, if callers can be distinguished.
const MAX_MEMORY_BYTES_PER_CALLER: usize = 192 << 20;
/// Large messages parsed at the same time.
const MAX_PARSERS: usize = 4;
/// Time that a large message waits to be parsed.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// `Retry-After` of a message that is rejected because of others.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Number of remembered callers above which those without large messages are forgotten.
const MAX_CALLERS: usize = 1_000;

/// The methods whose messages carry arguments, subscriptions or answers.
const METHODS_WITH_ARGUMENTS: [&str; 6] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "completion/complete",
    "tasks/update",
    "subscriptions/listen",
];

/// Parses bodies within the limits.
pub(super) struct MessageLimits {
    live: LiveCatalog,
    memory: Quota,
    parsers: Parsers,
}

/// A parsed message.
pub(super) struct Parsed {
    pub(super) incoming: Incoming,
    /// Its share of the memory; `None` if the message is small.
    pub(super) memory: Option<Share>,
    /// Whether the arguments were left out because there is no such tool or prompt. The message must not be run, even if
    /// the target has been loaded meanwhile.
    pub(super) has_unknown_target: bool,
}

type RejectedOr<T> = Result<T, Box<Response>>;

impl MessageLimits {
    /// Limits for the callers of a catalog.
    pub(super) fn new(live: LiveCatalog, distinguishes_callers: bool) -> Self {
        let per_caller = match distinguishes_callers {
            true => MAX_MEMORY_BYTES_PER_CALLER,
            false => MAX_MEMORY_BYTES,
        };
        Self {
            live,
            memory: Quota::new(MAX_MEMORY_BYTES, per_caller),
            parsers: Parsers::new(distinguishes_callers),
        }
    }

    /// Parses the body of a POST of this caller.
    ///
    /// # Errors
    /// The response that rejects the message.
    pub(super) async fn parse(self: &Arc<Self>, body: Bytes, caller: &str) -> RejectedOr<Parsed> {
        if body.len() <= MAX_UNSCANNED_BYTES {
            return Ok(Parsed {
                incoming: jsonrpc::parse(&body).map_err(malformed)?,
                memory: None,
                has_unknown_target: false,
            });
        }
        if body.len() <= MAX_PLAIN_BYTES {
            let scan = checked_scan(&body)?;
            if scan.bytes() <= MAX_INLINE_BYTES {
                return self.parse_scanned(&body, &scan, caller);
            }
        }
        let parser = self.parsers.acquire(caller);
        let Ok(parser) = tokio::time::timeout(MAX_WAIT, parser).await else {
            let message = "too many large messages wait to be parsed; try again in 1 s";
            return Err(busy(StatusCode::SERVICE_UNAVAILABLE, message, None));
        };
        let (limits, caller) = (self.clone(), caller.to_owned());
        let parsing = tokio::task::spawn_blocking(move || {
            let _parser = parser;
            limits.parse_scanned(&body, &checked_scan(&body)?, &caller)
        });
        // The task fails only if it panics.
        let parsed = parsing.await;
        parsed.unwrap_or_else(|error| Err(responses::internal_error(&error, None).into()))
    }

    fn parse_scanned(&self, body: &[u8], scan: &Scan, caller: &str) -> RejectedOr<Parsed> {
        let has_unknown_target = self.has_unknown_target(scan);
        let bytes = match has_unknown_target {
            true => scan.bytes() - scan.params.argument_bytes,
            false => scan.bytes(),
        };
        let share = self.reserve(bytes, caller, scan.id.as_ref())?;
        let incoming = match has_unknown_target {
            true => jsonrpc::parse_without_arguments(body),
            false => jsonrpc::parse(body),
        };
        Ok(Parsed {
            incoming: incoming.map_err(malformed)?,
            memory: Some(share),
            has_unknown_target,
        })
    }

    /// Returns whether a message calls a tool or prompt that does not exist. Nobody reads its arguments.
    fn has_unknown_target(&self, scan: &Scan) -> bool {
        let Some(name) = &scan.params.name else {
            return false;
        };
        let target = match scan.method.as_deref() {
            Some("tools/call") => TargetName::Tool(name.clone()),
            Some("prompts/get") => TargetName::Prompt(name.clone()),
            _ => return false,
        };
        self.live.current().find(&target).is_none()
    }

    fn reserve(&self, bytes: usize, caller: &str, id: Option<&Value>) -> RejectedOr<Share> {
        let max_bytes = self.memory.max_per_caller();
        if bytes > max_bytes {
            let message = format!(
                "the values of the message would take {bytes} bytes of memory; {max_bytes} is the limit"
            );
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(json_rpc(status, INVALID_REQUEST, &message, id, None).into());
        }
        self.memory.take(caller, bytes).ok_or_else(|| {
            let message =
                "large messages take all the memory that there is for them; try again in 1 s";
            busy(StatusCode::TOO_MANY_REQUESTS, message, id)
        })
    }
}

/// Scans a message and checks the parts that carry neither arguments nor answers.
fn checked_scan(body: &[u8]) -> RejectedOr<Scan> {
    let scan = scan(body).map_err(malformed)?;
    let (has_arguments, limited_bytes, max_bytes) = match &scan.method {
        None => (true, scan.bytes(), MAX_RESPONSE_BYTES),
        Some(method) if scan.id.is_some() && METHODS_WITH_ARGUMENTS.contains(&&**method) => {
            let other_bytes = scan.params.other_bytes + scan.outer_bytes;
            (true, other_bytes, MAX_OTHER_BYTES)
        }
        Some(_) => (false, scan.bytes(), MAX_OTHER_BYTES),
    };
    let message = if !has_arguments && body.len() > MAX_PLAIN_BYTES {
        let method = text::ellipsize(scan.method.as_deref().unwrap_or_default(), 100);
        format!(
            "the message has {} bytes, but `{method}` carries no arguments and has at most {MAX_PLAIN_BYTES} bytes",
            body.len()
        )
    } else if limited_bytes > max_bytes {
        format!(
            "the values of the message that are not arguments would take more than {max_bytes} bytes of memory; send \
             fewer or smaller ones"
        )
    } else {
        return Ok(scan);
    };
    let (status, id) = (StatusCode::BAD_REQUEST, scan.id.as_ref());
    Err(json_rpc(status, INVALID_REQUEST, &message, id, None).into())
}

fn malformed(error: Malformed) -> Box<Response> {
    let (status, id) = (StatusCode::BAD_REQUEST, error.id.as_ref());
    json_rpc(status, error.code, &error.message, id, None).into()
}

fn busy(status: StatusCode, message: &str, id: Option<&Value>) -> Box<Response> {
    responses::retry_later(status, message, RETRY_AFTER, id).into()
}

/// Permits for parsing large messages, in all and per caller. A caller with many of them waits for itself.
struct Parsers {
    all: Arc<Semaphore>,
    per_caller: usize,
    callers: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Parsers {
    fn new(distinguishes_callers: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all = cores.min(MAX_PARSERS);
        Self {
            all: Arc::new(Semaphore::new(all)),
            per_caller: match distinguishes_callers {
                true => all.div_ceil(2),
                false => all,
            },
            callers: Mutex::default(),
        }
    }

    /// Waits for a permit of the caller, then for one of all callers.
    async fn acquire(&self, caller: &str) -> [Option<OwnedSemaphorePermit>; 2] {
        // The semaphores are never closed, so `acquire_owned` does not fail.
        let of_caller = self.of_caller(caller).acquire_owned().await.ok();
        [of_caller, self.all.clone().acquire_owned().await.ok()]
    }

    fn of_caller(&self, caller: &str) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_caller) = callers.get(caller).and_then(Weak::upgrade) {
            return of_caller;
        }
        if callers.len() >= MAX_CALLERS {
            callers.retain(|_, of_caller| of_caller.strong_count() > 0);
        }
        let of_caller = Arc::new(Semaphore::new(self.per_caller));
        callers.insert(caller.to_owned(), Arc::downgrade(&of_caller));
        of_caller
    }
}
