//! The span of a call in the log, created when the first event is logged in it: most calls log nothing.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tracing::Span;

use super::call_usage::CallUsage;
use super::traces::TraceSpan;

tokio::task_local! {
    /// The span of the call on whose task this code runs.
    static CURRENT: CallSpan;
}

/// The span of a call, with the component, the item and the id of the call. Clones share one span.
#[derive(Clone)]
pub struct CallSpan(Arc<Lazy>);

struct Lazy {
    span: OnceLock<Span>,
    trace: Option<TraceSpan>,
    usage: Arc<CallUsage>,
    create: Box<dyn Fn() -> Span + Send + Sync>,
}

impl CallSpan {
    /// A span that `create` creates when it is needed.
    pub fn new(create: impl Fn() -> Span + Send + Sync + 'static) -> Self {
        Self::of_call(None, Arc::default(), create)
    }

    /// The same for a call with its span in the traces and its usage.
    pub fn of_call(
        trace: Option<TraceSpan>,
        usage: Arc<CallUsage>,
        create: impl Fn() -> Span + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Lazy {
            span: OnceLock::new(),
            trace,
            usage,
            create: Box::new(create),
        }))
    }

    /// Returns the call's span in the traces.
    pub fn trace(&self) -> Option<&TraceSpan> {
        self.0.trace.as_ref()
    }

    /// Returns the span of the call on whose task this code runs; `None` outside of calls.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `log` in the span.
    pub fn log<T>(&self, log: impl FnOnce() -> T) -> T {
        self.0.span.get_or_init(&self.0.create).in_scope(log)
    }

    /// Runs a future in which [`in_call`] logs in this span.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }
}

/// Runs `log` in the span of the current call.
pub fn in_call<T>(log: impl FnOnce() -> T) -> T {
    match CallSpan::current() {
        Some(span) => span.log(log),
        None => log(),
    }
}

/// Adds a use of a grant to the record of the call on whose task this code runs.
pub fn grant_used(capability: &'static str, resource: &str, is_allowed: bool) {
    if let Some(span) = CallSpan::current() {
        let grants = &span.0.usage.grants;
        grants.add(capability, resource, is_allowed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_span_is_created_once_and_only_if_something_is_logged() {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let span = CallSpan::new(|| {
            CREATED.fetch_add(1, Ordering::Relaxed);
            Span::none()
        });
        span.clone().scope(async {}).await;
        assert_eq!(CREATED.load(Ordering::Relaxed), 0);
        let logs = async {
            in_call(|| ());
            CallSpan::current().expect("in a call").log(|| ());
        };
        span.scope(logs).await;
        assert_eq!(CREATED.load(Ordering::Relaxed), 1);
        assert!(CallSpan::current().is_none());
    }
}
