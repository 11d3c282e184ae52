//! Tasks that every replica can read, answer and cancel.
//!
//! The replica that runs a task owns it and writes each new state to the shared store. All replicas, the owner included,
//! answer `tasks/get` from there. `tasks/update` and `tasks/cancel` become messages to the owner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{DetailedTask, InputResponses, TaskPayload};
use rmcp::task_manager::TaskManager;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::task_handle::Changes;
use crate::json::{self, DuplicateKeys, MAX_JSON_DEPTH};
use crate::shared::{
    Away, MAX_MESSAGE_BYTES, MAX_STATE_BYTES, Published, Sent, TaskKey, TaskStore,
};

/// The minimum time between two states of a task, for guests that report much progress.
const MIN_PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// The interval at which a replica with running tasks looks for messages.
const RECEIVE_INTERVAL: Duration = Duration::from_millis(100);
/// The time that an answer or a cancellation waits until the owner has taken it, so that the next `tasks/get` shows it.
const MAX_TAKE_TIME: Duration = Duration::from_secs(1);
/// The interval at which that is checked.
const TAKE_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// The time in which the final state follows the end of a task.
const MAX_SETTLE_TIME: Duration = Duration::from_secs(1);
/// The depth of a state or a message above that of the JSON of a guest or a client in it.
const WRAPPING_DEPTH: usize = 8;

/// The tasks that all replicas share. Cheap to clone.
#[derive(Clone)]
pub(super) struct SharedTasks(Arc<Inner>);

struct Inner {
    store: TaskStore,
    manager: TaskManager,
    /// The tasks of this replica whose end is not stored yet.
    running: Mutex<HashMap<TaskKey, Running>>,
    /// Notified when there may be messages, and when this is dropped.
    wake: Arc<Notify>,
    /// Notified when a task no longer runs.
    ended: Notify,
}

#[derive(Clone)]
struct Running {
    id: String,
    changes: Changes,
}

/// A message to the owner of a task.
#[derive(Serialize, Deserialize)]
struct Message {
    /// The name of the task in the store.
    task: String,
    /// The input responses; `None` cancels the task.
    answers: Option<InputResponses>,
}

impl SharedTasks {
    /// Shares the tasks of this manager.
    pub(super) fn new(store: TaskStore, manager: TaskManager) -> Self {
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            store,
            manager,
            running: Mutex::default(),
            wake: wake.clone(),
            ended: Notify::new(),
        });
        tokio::spawn(receive_messages(Arc::downgrade(&inner), wake));
        Self(inner)
    }

    /// Returns whether the store can be used now.
    pub(super) fn is_available(&self) -> bool {
        self.0.store.is_available()
    }

    /// Stores a new task of the manager and keeps its state up to date. Its end is kept for `lifetime`.
    ///
    /// # Errors
    /// The store is away.
    pub(super) async fn add(
        &self,
        id: &str,
        caller: &str,
        changes: Changes,
        lifetime: Duration,
    ) -> Result<(), Away> {
        let key = self.0.store.key(caller, id);
        let task = Running {
            id: id.to_owned(),
            changes,
        };
        self.0.running().insert(key.clone(), task.clone());
        // A task that exceeds its lifetime fails, and the failure is kept for another lifetime.
        let time = lifetime.saturating_mul(2);
        let stored = match self.0.manager.get_task(id) {
            Ok(state) => self.0.publish(&key, &state, time).await,
            Err(_) => Err(Away),
        };
        if stored.is_err() {
            self.0.remove(&key);
            return Err(Away);
        }
        self.0.wake.notify_one();
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(publish_changes(weak, key, task, lifetime));
        Ok(())
    }

    /// Returns the state of a task (`tasks/get`).
    ///
    /// # Errors
    /// The caller has no such task, or the store is away.
    pub(super) async fn state(&self, id: &str, caller: &str) -> Result<DetailedTask, ErrorData> {
        let key = self.0.store.key(caller, id);
        let stored = self.0.store.read(&key).await.map_err(away)?;
        let stored = stored.ok_or_else(unknown_task)?;
        let state = parse::<DetailedTask>(&stored.state).ok_or_else(|| {
            tracing::error!(task.id = id, "shared state of a task is malformed");
            ErrorData::internal_error("the task's state cannot be read", None)
        })?;
        if !stored.is_orphaned {
            return Ok(state);
        }
        let message = "the replica that ran the task has ended; call the tool again";
        let error = serde_json::to_value(ErrorData::internal_error(message, None));
        let error = match error {
            Ok(Value::Object(error)) => error,
            _ => serde_json::Map::new(),
        };
        Ok(DetailedTask::new(state.task, TaskPayload::Failed { error }))
    }

    /// Delivers input responses to a task (`tasks/update`).
    ///
    /// # Errors
    /// The caller has no such task, the responses are too large, or the store is away.
    pub(super) async fn answer(
        &self,
        id: &str,
        caller: &str,
        answers: InputResponses,
    ) -> Result<(), ErrorData> {
        self.send(id, caller, Some(answers)).await
    }

    /// Cancels a task (`tasks/cancel`).
    ///
    /// # Errors
    /// The caller has no such task, or the store is away.
    pub(super) async fn cancel(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        self.send(id, caller, None).await
    }

    /// Resolves when no task of this replica runs and the ends of all are stored.
    pub(super) async fn all_ended(&self) {
        loop {
            let ended = self.0.ended.notified();
            if self.0.running().is_empty() {
                return;
            }
            ended.await;
        }
    }

    async fn send(
        &self,
        id: &str,
        caller: &str,
        answers: Option<InputResponses>,
    ) -> Result<(), ErrorData> {
        let store = &self.0.store;
        let key = store.key(caller, id);
        let task = key.as_str().to_owned();
        let message = serde_json::to_vec(&Message { task, answers }).unwrap_or_default();
        if message.len() > MAX_MESSAGE_BYTES {
            let message = format!("the answers take more than {MAX_MESSAGE_BYTES} bytes together");
            return Err(ErrorData::invalid_params(message, None));
        }
        let serial = match store.send(&key, &message).await.map_err(away)? {
            Sent::Waiting { serial } => serial,
            Sent::Ended => return Ok(()),
            Sent::NoSuchTask => return Err(unknown_task()),
            Sent::Full => {
                let message = "the replica that runs the task has too much to do; try again later";
                return Err(ErrorData::internal_error(message, None));
            }
        };
        self.0.wake.notify_one();
        let sent = Instant::now();
        while sent.elapsed() < MAX_TAKE_TIME {
            tokio::time::sleep(TAKE_CHECK_INTERVAL).await;
            if store.serial(&key).await != Ok(Some(serial)) {
                break;
            }
        }
        Ok(())
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashMap<TaskKey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, key: &TaskKey) {
        self.running().remove(key);
        self.ended.notify_waiters();
    }

    async fn publish(
        &self,
        key: &TaskKey,
        state: &DetailedTask,
        time: Duration,
    ) -> Result<Published, Away> {
        let is_end = state.status().is_terminal();
        // A task's state consists of strings, numbers, lists and objects with string keys, which serialize.
        let state = serde_json::to_vec(state).unwrap_or_default();
        self.store.publish(key, &state, is_end, time).await
    }

    /// Returns the state of a task: the final one if it has ended. `None` if the manager has removed it.
    async fn current_state(&self, task: &Running) -> Option<DetailedTask> {
        const STEP: Duration = Duration::from_millis(5);
        let started = Instant::now();
        loop {
            let state = self.manager.get_task(&task.id).ok()?;
            let is_unsettled = task.changes.has_ended() && !state.status().is_terminal();
            if !is_unsettled || started.elapsed() > MAX_SETTLE_TIME {
                return Some(state);
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// Applies a message to a task of this replica.
    fn apply(&self, message: &[u8]) {
        let Some(message) = parse::<Message>(message) else {
            tracing::warn!("malformed message about a task ignored");
            return;
        };
        let running = self.running();
        let task = running.iter().find(|(key, _)| key.as_str() == message.task);
        // The task may have ended meanwhile.
        let Some((_, task)) = task else { return };
        let _ = match message.answers {
            Some(answers) => self.manager.update_task(&task.id, answers),
            None => self.manager.cancel_task(&task.id),
        };
        task.changes.signal();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Stores each new state of a task, and the last one again after Redis was away, until the task is forgotten.
async fn publish_changes(weak: Weak<Inner>, key: TaskKey, task: Running, lifetime: Duration) {
    let Some(mut reconnections) = weak.upgrade().map(|inner| inner.store.reconnections()) else {
        return;
    };
    reconnections.mark_unchanged();
    let mut forget_at = Instant::now() + lifetime.saturating_mul(2);
    let mut is_ended = false;
    loop {
        tokio::select! {
            () = task.changes.changed() => {}
            connected = reconnections.changed() => if connected.is_err() { return },
            () = tokio::time::sleep_until(forget_at) => {}
        }
        let Some(inner) = weak.upgrade() else { return };
        let Some(state) = inner.current_state(&task).await else {
            return inner.remove(&key);
        };
        if state.status().is_terminal() && !std::mem::replace(&mut is_ended, true) {
            forget_at = Instant::now() + lifetime;
        }
        let time = forget_at.saturating_duration_since(Instant::now());
        if time.is_zero() {
            return inner.remove(&key);
        }
        match inner.publish(&key, &state, time).await {
            Ok(Published::Written) if is_ended => inner.remove(&key),
            Ok(Published::Written) => {}
            Ok(Published::EndedElsewhere) => {
                tracing::warn!(task.id = %task.id, "task ended by another replica, its call is cancelled");
                let _ = inner.manager.cancel_task(&task.id);
                return inner.remove(&key);
            }
            // Tried again after the next connection.
            Err(Away) => {}
        }
        drop(inner);
        tokio::time::sleep(MIN_PUBLISH_INTERVAL).await;
    }
}

/// Takes the messages of other replicas while tasks run.
async fn receive_messages(weak: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let Some(inner) = weak.upgrade() else { return };
        let is_idle = inner.running().is_empty();
        if !is_idle {
            for message in inner.store.receive().await.unwrap_or_default() {
                inner.apply(&message);
            }
        }
        drop(inner);
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(RECEIVE_INTERVAL), if !is_idle => {}
        }
    }
}

/// Parses JSON from the store.
fn parse<T: serde::de::DeserializeOwned>(text: &[u8]) -> Option<T> {
    let depth = MAX_JSON_DEPTH + WRAPPING_DEPTH;
    let value = json::parse_within(text, DuplicateKeys::Reject, depth).ok()?;
    serde_json::from_value(value).ok()
}

/// Returns whether the state of a task with this result can be stored.
pub(super) fn fits(result_bytes: usize) -> bool {
    /// More than the other members of a state take.
    const OTHER_BYTES: usize = 64 << 10;
    result_bytes <= MAX_STATE_BYTES - OTHER_BYTES
}

/// Returns the error for ids of unknown tasks and of other callers' tasks.
pub(super) fn unknown_task() -> ErrorData {
    ErrorData::invalid_params("there is no such task", None)
}

fn away(error: Away) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
