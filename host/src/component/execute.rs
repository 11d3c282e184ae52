//! Executes one call of a loaded component: sandbox, log span, limits of the output, and errors.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use super::call_error::{CallError, TargetKind};
use super::contract::{
    CallData, DescribeCaller, GuestContext, GuestError, PreparedStore, Principal,
};
use super::load::Component;
use super::output_validation::GuestOutput;
use crate::boxed_future::boxed_future;
use crate::sandbox::keyvalue::Owner;
use crate::sandbox::{self, CpuProfile, Stopped};
use crate::telemetry::{CallSpan, TraceSpan, in_call};
use crate::text::{bounded, escape_untrusted, truncate};

/// Maximum length of a backtrace or a URI in the log.
pub(super) const MAX_LOGGED_BYTES: usize = 4_096;

/// The item that a call is for.
pub(super) struct CallTarget<'a> {
    pub(super) kind: TargetKind,
    /// The name of the item, or its URI.
    pub(super) name: &'a str,
}

impl Component {
    /// Runs `guest` with a new store in the sandbox, and checks the size and the form of its output.
    pub(super) async fn execute<T, F>(
        &self,
        target: CallTarget<'_>,
        mut context: GuestContext,
        cpu_profile: &Arc<CpuProfile>,
        guest: impl FnOnce(PreparedStore) -> F + Send + 'static,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, GuestError>> + Send + 'static,
        T: GuestOutput + Send + 'static,
    {
        let trace = context.span.take().map(|span| span.part("guest"));
        let span = call_span(&self.name, &target, &context, trace.as_deref().cloned());
        let cancelled = context.cancelled.clone();
        let owner = match &context.caller {
            Some(caller) if self.open_grants.has_buckets() => Some(keyvalue_owner(&**caller)),
            _ => None,
        };
        let (held, usage) = (context.held.take(), context.usage.clone());
        let data = CallData::new(context, self.limits.time);
        let store = self.spare_instances.store(owner, usage.clone(), data);
        let guest = boxed_future(|| guest(store));
        let guest = async move {
            let output = guest.await;
            // Dropped after the guest, also if this future is dropped before its end.
            drop(held);
            output
        };
        let guest = span.clone().scope(guest);
        let guest = Box::pin(self.open_grants.with_blocking_pool(guest));
        let call = async {
            let (limits, runtime) = (&self.limits, self.engine.guest_runtime());
            let run = sandbox::execute(limits, runtime, &cancelled, cpu_profile, usage, guest);
            let mut log_if_dropped = LogIfDropped { has_ended: false };
            let result = run.await;
            log_if_dropped.has_ended = true;
            if result.is_ok() && !cpu_profile.is_heavy() {
                self.spare_instances.refill();
            }
            let result = self.log_failure(target.kind, result);
            let result = result.and_then(|output| {
                self.check_output(target.kind, &output)?;
                Ok(output)
            });
            if let (Some(trace), Err(error)) = (&trace, &result) {
                trace.set_error(error.outcome().as_str());
            }
            result
        };
        span.scope(call).await
    }

    fn check_output(&self, target: TargetKind, output: &impl GuestOutput) -> Result<(), CallError> {
        let bytes = output.size_bytes();
        let max_bytes = self.limits.output_bytes;
        if bytes > max_bytes {
            in_call(|| {
                tracing::info!(
                    output.bytes = bytes,
                    limit.bytes = max_bytes,
                    "output over its limit"
                );
            });
            return Err(CallError::OutputTooLarge(target, max_bytes));
        }
        output.validate().map_err(|e| invalid_output(target, &e))
    }

    /// Converts the errors of a run for the client, and logs the details that only the operator may know.
    fn log_failure<T>(
        &self,
        target: TargetKind,
        result: Result<Result<T, GuestError>, Stopped>,
    ) -> Result<T, CallError> {
        let error = match result {
            Ok(Ok(output)) => return Ok(output),
            Ok(Err(error)) => error,
            Err(stopped) => {
                log_stopped(stopped);
                return Err(stopped.into());
            }
        };
        match &error {
            GuestError::Trap { error, .. } => {
                let trap = bounded(format_args!("{error:?}"), MAX_LOGGED_BYTES);
                in_call(|| tracing::info!(guest.trap = %for_log(&trap), "guest trapped"));
            }
            GuestError::OutputTooLarge => {
                in_call(|| {
                    tracing::info!(
                        limit.bytes = self.limits.output_bytes,
                        "output over its limit"
                    );
                });
            }
            GuestError::InvalidArguments(_) | GuestError::Failed(_) | GuestError::NotFound => {}
        }
        Err(CallError::from_guest(target, error, &self.limits))
    }
}

/// Logs that a call was dropped before its end, because its client has disconnected.
struct LogIfDropped {
    has_ended: bool,
}

impl Drop for LogIfDropped {
    fn drop(&mut self) {
        if !self.has_ended {
            log_stopped(Stopped::Cancelled);
        }
    }
}

fn log_stopped(reason: Stopped) {
    in_call(|| tracing::info!(call.stopped = %reason, "call stopped"));
}

/// Creates the error of an output that violates the contract or its schema, and logs the violation.
pub(super) fn invalid_output(target: TargetKind, violation: &str) -> CallError {
    in_call(|| tracing::warn!(output.violation = %violation, "output rejected"));
    CallError::InvalidOutput(target)
}

fn call_span(
    component: &str,
    target: &CallTarget<'_>,
    context: &GuestContext,
    trace: Option<TraceSpan>,
) -> CallSpan {
    let (component, kind) = (component.to_owned(), target.kind);
    let (id, name) = (context.id.clone(), target.name.to_owned());
    CallSpan::of_call(trace, context.usage.clone(), move || {
        let span = tracing::info_span!(
            "call", call.id = %id, component.name = %component,
            tool.name = tracing::field::Empty, call.kind = %kind, call.name = tracing::field::Empty
        );
        let field = match kind {
            TargetKind::Tool => "tool.name",
            _ => "call.name",
        };
        span.record(field, for_log(&name).as_ref());
        span
    })
}

/// Truncates and escapes a text of a guest or a client for the log.
pub(super) fn for_log(text: &str) -> Cow<'_, str> {
    escape_untrusted(truncate(text, MAX_LOGGED_BYTES))
}

/// Returns the owner of a caller's entries in key-value buckets: the same for all clients that the person uses.
fn keyvalue_owner(caller: &dyn DescribeCaller) -> Owner {
    let Principal {
        issuer, subject, ..
    } = caller.describe();
    Owner { issuer, subject }
}
