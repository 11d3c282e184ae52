//! A running task as its call sees it, and the signal that its state has changed.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::model::InputRequest;
use rmcp::task_manager::{TaskContext, TaskExit};
use serde_json::Value;
use tokio::sync::Notify;

/// The handle of a call to the task that it has become. Cheap to clone.
#[derive(Clone)]
pub(super) struct TaskHandle {
    context: TaskContext,
    changes: Changes,
}

/// Signals changes of a task's state. Several changes may be one signal.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Signal>);

#[derive(Default)]
struct Signal {
    changed: Notify,
    has_ended: AtomicBool,
}

/// Signals the end of a task when it is dropped.
pub(super) struct EndSignal(Changes);

impl TaskHandle {
    pub(super) fn new(context: TaskContext, changes: Changes) -> Self {
        Self { context, changes }
    }

    pub(super) fn id(&self) -> &str {
        self.context.task_id()
    }

    /// Sets the message in the task's status.
    pub(super) fn set_status_message(&self, message: String) {
        self.context.set_status_message(message);
        self.changes.signal();
    }

    /// Asks the client and waits for the answer.
    ///
    /// # Errors
    /// The task was cancelled, or the key was used before.
    pub(super) async fn request_input(
        &self,
        key: String,
        request: InputRequest,
    ) -> Result<Value, TaskExit> {
        let mut asking = pin!(self.context.request_input(key, request));
        let mut is_asked = false;
        poll_fn(|context| {
            let polled = asking.as_mut().poll(context);
            // The first poll has added the question to the state.
            if !std::mem::replace(&mut is_asked, true) {
                self.changes.signal();
            }
            polled
        })
        .await
    }

    /// Returns whether the client has cancelled the task.
    pub(super) fn is_cancel_requested(&self) -> bool {
        self.context.is_cancel_requested()
    }

    /// Resolves when the client cancels the task.
    pub(super) async fn cancelled(&self) {
        self.context.cancelled().await;
    }
}

impl Changes {
    pub(super) fn signal(&self) {
        self.0.changed.notify_one();
    }

    /// Resolves after the next signal, or at once if there was one since the last call.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Returns a value whose drop signals the end of the task, however it ends.
    pub(super) fn end_signal(&self) -> EndSignal {
        EndSignal(self.clone())
    }

    /// Returns whether the task has ended. Its final state is set a moment later.
    pub(super) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Acquire)
    }
}

impl Drop for EndSignal {
    fn drop(&mut self) {
        self.0.0.has_ended.store(true, Ordering::Release);
        self.0.signal();
    }
}
