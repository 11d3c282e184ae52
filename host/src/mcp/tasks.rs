//! Calls that became tasks (extension `io.modelcontextprotocol/tasks`): a client that declares the extension polls a
//! task instead of waiting for a long call.
//!
//! `rmcp` keeps the state of tasks, but it does not know their owners, expires them only when it is polled, and has no
//! limit. Here each task has an owner, and the id of another caller's task is answered like an unknown id; a timer
//! removes each expired task; and tasks and their results count against quotas. With `[shared]`, `shared_tasks` answers for
//! the tasks of all replicas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, DetailedTask, InputResponses, Task};
use rmcp::task_manager::{TaskExit, TaskFuture, TaskManager, TaskOptions};

use super::input_required::MAX_RESPONSE_BYTES;
use super::quota::{self, Quota, Share};
use super::shared_tasks::{self, SharedTasks, unknown_task};
use super::task_handle::{Changes, TaskHandle};
use crate::shared::{Away, TaskStore};

/// The time after which a call becomes a task.
pub(super) const TASK_THRESHOLD: Duration = Duration::from_millis(500);
/// The interval at which clients should poll.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The margin after a task's expiry before it is removed, because the manager's clock starts slightly later.
const EXPIRY_MARGIN: Duration = Duration::from_millis(500);
/// The maximum number of tasks of all callers.
const MAX_TASKS: usize = 4_096;
/// The maximum number of tasks of one caller.
const MAX_TASKS_PER_CALLER: usize = 64;

/// The tasks of a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tasks(Arc<Inner>);

struct Inner {
    manager: TaskManager,
    /// The tasks by id.
    records: Mutex<HashMap<String, Record>>,
    task_quota: Quota,
    memory_quota: Quota,
    ttl: Duration,
    /// `None` if no other replica knows the tasks.
    shared: Option<SharedTasks>,
}

/// The owner of a task and what it takes from the quotas.
struct Record {
    owner: String,
    expires_at: Option<Instant>,
    _task_share: Share,
    /// The memory reserved for the result, then that of the result itself.
    memory: Share,
}

/// A reserved place for a task. Dropping it unused returns the place.
pub(super) struct TaskSlot {
    tasks: Tasks,
    lifetime: Duration,
    record: Record,
}

/// The reason a call cannot become a task. `Display` is one sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTask {
    #[error(
        "there are too many tasks already, or their results are too large; try again when the first ones have expired"
    )]
    QuotaExhausted,
    #[error("there can be no task now: {0}")]
    Away(#[from] Away),
}

impl Tasks {
    /// Creates an empty set of tasks. A task may wait for its client for `ttl`, and its result is kept for `ttl`. `store`
    /// shares them with other replicas.
    pub(super) fn new(ttl: Duration, memory_quota: Quota, store: Option<TaskStore>) -> Self {
        let manager = TaskManager::new();
        Self(Arc::new(Inner {
            shared: store.map(|store| SharedTasks::new(store, manager.clone())),
            manager,
            records: Mutex::default(),
            task_quota: Quota::new(MAX_TASKS, MAX_TASKS_PER_CALLER),
            memory_quota,
            ttl,
        }))
    }

    /// Reserves a task for a caller. `time` is the time limit of one run and `output_bytes` the largest result.
    ///
    /// # Errors
    /// A quota is exhausted, or other replicas could not know the task.
    pub(super) fn reserve(
        &self,
        caller: &str,
        time: Duration,
        output_bytes: usize,
    ) -> Result<TaskSlot, NoTask> {
        let shared = &self.0.shared;
        if shared.as_ref().is_some_and(|shared| !shared.is_available()) {
            return Err(Away.into());
        }
        let memory_quota = &self.0.memory_quota;
        // If results may exceed the caller's limit, one task takes all of it.
        let output_bytes = output_bytes.min(memory_quota.max_per_caller());
        let shares = || {
            let task_share = self.0.task_quota.take(caller, 1)?;
            Some((task_share, memory_quota.take(caller, output_bytes)?))
        };
        let (task_share, memory) = shares().ok_or(NoTask::QuotaExhausted)?;
        Ok(TaskSlot {
            tasks: self.clone(),
            // The time limit of the call applies before the task's own lifetime.
            lifetime: self.0.ttl.saturating_add(time),
            record: Record {
                owner: caller.to_owned(),
                expires_at: None,
                _task_share: task_share,
                memory,
            },
        })
    }

    /// Returns the number of tasks, those included whose result is kept.
    pub(super) fn count(&self) -> usize {
        self.0.task_quota.in_use()
    }

    /// Returns the state of a task (`tasks/get`).
    ///
    /// # Errors
    /// The caller has no such task, or the shared state is away.
    pub(super) async fn state(&self, id: &str, caller: &str) -> Result<DetailedTask, ErrorData> {
        if let Some(shared) = &self.0.shared {
            return shared.state(id, caller).await;
        }
        self.check_owner(id, caller)?;
        self.0.manager.get_task(id)
    }

    /// Delivers input responses to a task (`tasks/update`).
    ///
    /// # Errors
    /// The caller has no such task, a response is too large, or the shared state is away.
    pub(super) async fn answer(
        &self,
        id: &str,
        caller: &str,
        responses: InputResponses,
    ) -> Result<(), ErrorData> {
        if self.0.shared.is_none() {
            self.check_owner(id, caller)?;
        }
        if responses
            .values()
            .any(|response| quota::json_bytes(response) > MAX_RESPONSE_BYTES)
        {
            let message = format!("an answer takes more than {MAX_RESPONSE_BYTES} bytes");
            return Err(ErrorData::invalid_params(message, None));
        }
        match &self.0.shared {
            Some(shared) => shared.answer(id, caller, responses).await,
            None => self.0.manager.update_task(id, responses),
        }
    }

    /// Cancels a task (`tasks/cancel`).
    ///
    /// # Errors
    /// The caller has no such task, or the shared state is away.
    pub(super) async fn cancel(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        if let Some(shared) = &self.0.shared {
            return shared.cancel(id, caller).await;
        }
        self.check_owner(id, caller)?;
        self.0.manager.cancel_task(id)
    }

    /// Resolves when other replicas know the ends of all tasks; at once if no other replica knows the tasks.
    pub(super) async fn all_shared(&self) {
        if let Some(shared) = &self.0.shared {
            shared.all_ended().await;
        }
    }

    /// Rejects ids of unknown tasks and of other callers' tasks alike.
    fn check_owner(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        match self.0.records().get(id) {
            Some(record) if record.owner == caller => Ok(()),
            _ => Err(unknown_task()),
        }
    }
}

impl TaskSlot {
    /// Returns whether other replicas could not know the task now.
    pub(super) fn is_away(&self) -> bool {
        let shared = self.tasks.0.shared.as_ref();
        shared.is_some_and(|shared| !shared.is_available())
    }

    /// Starts the task.
    ///
    /// # Errors
    /// The shared state is away; the task has been cancelled.
    pub(super) async fn start(
        self,
        work: impl FnOnce(TaskHandle) -> TaskFuture,
    ) -> Result<Task, NoTask> {
        let (inner, lifetime) = (self.tasks.0.clone(), self.lifetime);
        let owner = self.record.owner.clone();
        let changes = Changes::default();
        let task = self.spawn(&changes, work);
        if let Some(shared) = &inner.shared {
            let id = &task.task_id;
            if let Err(away) = shared.add(id, &owner, changes, lifetime).await {
                let _ = inner.manager.cancel_task(id);
                return Err(away.into());
            }
        }
        Ok(task)
    }

    fn spawn(mut self, changes: &Changes, work: impl FnOnce(TaskHandle) -> TaskFuture) -> Task {
        let inner = &self.tasks.0;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let options = TaskOptions::new()
            .with_ttl_ms(millis(self.lifetime))
            .with_poll_interval_ms(millis(POLL_INTERVAL));
        // Locked until the record is inserted, because the task may end at once.
        let mut records = inner.records();
        let (weak, lifetime) = (Arc::downgrade(inner), self.lifetime);
        // No client can use the id before this function returns, since it does not know it.
        let task = inner.manager.spawn(options, |task| {
            let task = TaskHandle::new(task, changes.clone());
            let id = task.id().to_owned();
            let end_signal = changes.end_signal();
            let work = work(task);
            Box::pin(async move {
                let _end_signal = end_signal;
                let result = work.await;
                // If the server is gone, nothing can read the result.
                weak.upgrade().map_or(Err(TaskExit::Cancelled), |inner| {
                    inner.record_result(&id, lifetime, result)
                })
            })
        });
        // A task that exceeds its lifetime fails, and the failure is kept for another lifetime.
        self.record.expires_at = Instant::now().checked_add(lifetime.saturating_mul(2));
        records.insert(task.task_id.clone(), self.record);
        drop(records);
        tokio::spawn(remove_expired(
            Arc::downgrade(inner),
            task.task_id.clone(),
            lifetime,
        ));
        task
    }
}

impl Inner {
    fn records(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the result of a task against the memory quota from now on.
    fn record_result(
        &self,
        id: &str,
        lifetime: Duration,
        result: Result<CallToolResult, TaskExit>,
    ) -> Result<CallToolResult, TaskExit> {
        let value = result.as_ref().ok().map(serde_json::to_value);
        let value = value.and_then(Result::ok);
        let bytes = value.as_ref().map_or(0, quota::json_bytes);
        let is_shared = self.shared.is_some();
        if is_shared && value.is_some_and(|value| !shared_tasks::fits(value.to_string().len())) {
            let message = "the tool is done, but its result is too large for the state that the replicas share";
            return Err(ErrorData::internal_error(message, None).into());
        }
        let mut records = self.records();
        // The task has just expired.
        let Some(record) = records.get_mut(id) else {
            return Err(TaskExit::Cancelled);
        };
        record.expires_at = Instant::now().checked_add(lifetime);
        if record.memory.resize(bytes) {
            return result;
        }
        record.memory.resize(0);
        let message = "the tool is done, but its result is too large to be kept beside those of \
                       other tasks";
        Err(ErrorData::internal_error(message, None).into())
    }
}

/// Removes a task when it has expired.
async fn remove_expired(inner: Weak<Inner>, id: String, lifetime: Duration) {
    // Checks first after the lifetime, by which the task has ended, and then when its result has expired.
    let mut wait = lifetime;
    loop {
        tokio::time::sleep(wait.saturating_add(EXPIRY_MARGIN)).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        // Any query makes the manager drop expired tasks.
        inner.manager.running_task_count();
        let mut records = inner.records();
        let expires_at = records.get(&id).and_then(|record| record.expires_at);
        wait = match expires_at.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => left,
            _ => {
                records.remove(&id);
                return;
            }
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use rmcp::model::ContentBlock;

    use super::*;

    /// No client polls these tasks.
    #[tokio::test]
    async fn expired_tasks_are_removed_without_polling() {
        let memory = Quota::new(1_000, 1_000);
        let tasks = Tasks::new(Duration::from_millis(200), memory.clone(), None);
        let held = Arc::new(());
        let slot = || tasks.reserve("a", Duration::ZERO, 500).unwrap();
        let held_by_task = held.clone();
        let changes = Changes::default();
        slot().spawn(&changes, |_| {
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(held_by_task);
                Err(TaskExit::Cancelled)
            })
        });
        slot().spawn(&changes, |_| {
            Box::pin(async { Ok(CallToolResult::success(vec![ContentBlock::text("done")])) })
        });
        assert!(memory.take("a", 500).is_none());
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(
            Arc::strong_count(&held),
            1,
            "the waiting task has been cancelled"
        );
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(tasks.0.records().is_empty());
        assert!(memory.take("a", 1_000).is_some());
    }
}
