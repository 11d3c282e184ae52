//! Calls that became tasks (the extension `io.modelcontextprotocol/tasks`): a
//! client that declares the extension does not wait for a long call, it asks for
//! its task.
//!
//! `rmcp` keeps a task's state, but not whose it is, it looks at what has expired
//! only when it is asked for something, and it keeps whatever comes. Here every
//! task belongs to a caller, and somebody else's id is answered as one that does
//! not exist; each has a timer, which forgets it; and what is kept is counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, DetailedTask, InputResponses, Task};
use rmcp::task_manager::{TaskContext, TaskExit, TaskFuture, TaskManager, TaskOptions};

use super::input_required::MAX_ANSWER_BYTES;
use super::quota::{self, Quota, Share};

/// How long a call may take before it becomes a task.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How often a client should ask.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long after a task has expired it is forgotten: the manager's clock of it
/// starts a moment later.
const GRACE: Duration = Duration::from_millis(500);
/// Tasks that are kept at once, of all callers and of one.
const MAX_TASKS: usize = 4_096;
const MAX_TASKS_PER_CALLER: usize = 64;

/// The tasks of a server.
#[derive(Clone)]
pub(super) struct Tasks(Arc<Known>);

struct Known {
    manager: TaskManager,
    /// By the task's id.
    records: Mutex<HashMap<String, Record>>,
    places: Quota,
    memory: Quota,
    ttl: Duration,
}

/// Whose a task is, and what it takes.
struct Record {
    caller: String,
    expires: Option<Instant>,
    _place: Share,
    /// For its result, whether that is there or not.
    memory: Share,
}

/// A place for a task, given back when it is dropped unused.
pub(super) struct Room {
    tasks: Tasks,
    life: Duration,
    record: Record,
}

impl Tasks {
    /// Tasks that may wait for their clients for `ttl`; a result is kept for as long.
    pub(super) fn new(ttl: Duration, memory: Quota) -> Self {
        Self(Arc::new(Known {
            manager: TaskManager::new(),
            records: Mutex::default(),
            places: Quota::new(MAX_TASKS, MAX_TASKS_PER_CALLER),
            memory,
            ttl,
        }))
    }

    /// Keeps a place for a task of this caller's, which runs so long at a time and
    /// whose result has so many bytes at most; `None` where the caller has too much,
    /// or the server.
    pub(super) fn reserve(
        &self,
        caller: &str,
        time: Duration,
        output_bytes: usize,
    ) -> Option<Room> {
        let memory = &self.0.memory;
        Some(Room {
            tasks: self.clone(),
            // Its own limit comes first.
            life: self.0.ttl.saturating_add(time),
            record: Record {
                caller: caller.to_owned(),
                expires: None,
                _place: self.0.places.take(caller, 1)?,
                // Where results may be that large, one has all that a caller can have.
                memory: memory.take(caller, output_bytes.min(memory.of_caller()))?,
            },
        })
    }

    /// `tasks/get`
    ///
    /// # Errors
    /// The caller has no such task.
    pub(super) fn state(&self, id: &str, caller: &str) -> Result<DetailedTask, ErrorData> {
        self.check(id, caller)?;
        self.0.manager.get_task(id)
    }

    /// `tasks/update`
    ///
    /// # Errors
    /// The caller has no such task, or an answer is too large.
    pub(super) fn answer(
        &self,
        id: &str,
        caller: &str,
        answers: InputResponses,
    ) -> Result<(), ErrorData> {
        self.check(id, caller)?;
        if answers.values().any(|a| quota::bytes(a) > MAX_ANSWER_BYTES) {
            let message = format!("an answer takes more than {MAX_ANSWER_BYTES} bytes");
            return Err(ErrorData::invalid_params(message, None));
        }
        self.0.manager.update_task(id, answers)
    }

    /// `tasks/cancel`
    ///
    /// # Errors
    /// The caller has no such task.
    pub(super) fn cancel(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        self.check(id, caller)?;
        self.0.manager.cancel_task(id)
    }

    fn check(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        match self.0.records().get(id) {
            Some(record) if record.caller == caller => Ok(()),
            _ => Err(unknown()),
        }
    }
}

impl Room {
    /// Makes the task.
    pub(super) fn spawn(mut self, work: impl FnOnce(TaskContext) -> TaskFuture) -> Task {
        let known = &self.tasks.0;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let options = TaskOptions::new()
            .with_ttl_ms(millis(self.life))
            .with_poll_interval_ms(millis(POLL_INTERVAL));
        // Held until it is recorded: it may end at once.
        let mut records = known.records();
        let (all, life) = (Arc::downgrade(known), self.life);
        // Nobody knows its id before this returns.
        let task = known.manager.spawn(options, |task| {
            let id = task.task_id().to_owned();
            let work = work(task);
            Box::pin(async move {
                let result = work.await;
                // Without a server nobody asks for it.
                all.upgrade().map_or(Err(TaskExit::Cancelled), |known| {
                    known.keep(&id, life, result)
                })
            })
        });
        // It fails when it has lived, and that is kept as long.
        self.record.expires = Instant::now().checked_add(life.saturating_mul(2));
        records.insert(task.task_id.clone(), self.record);
        drop(records);
        tokio::spawn(forget(Arc::downgrade(known), task.task_id.clone(), life));
        task
    }
}

impl Known {
    fn records(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a result that is kept from now on.
    fn keep(
        &self,
        id: &str,
        life: Duration,
        result: Result<CallToolResult, TaskExit>,
    ) -> Result<CallToolResult, TaskExit> {
        let value = result.as_ref().ok().map(serde_json::to_value);
        let bytes = value
            .and_then(Result::ok)
            .map_or(0, |value| quota::bytes(&value));
        let mut records = self.records();
        // It expired at this moment.
        let Some(record) = records.get_mut(id) else {
            return Err(TaskExit::Cancelled);
        };
        record.expires = Instant::now().checked_add(life);
        if record.memory.resize(bytes) {
            return result;
        }
        record.memory.resize(0);
        let message = "the tool is done, but its result is too large to be kept beside those of \
                       other tasks";
        Err(ErrorData::internal_error(message, None).into())
    }
}

/// Forgets a task when it has expired.
async fn forget(known: Weak<Known>, id: String, life: Duration) {
    // First when it must have ended, and then when that was long ago.
    let mut wait = life;
    loop {
        tokio::time::sleep(wait.saturating_add(GRACE)).await;
        let Some(known) = known.upgrade() else {
            return;
        };
        // Whatever it is asked, it looks at the age of each.
        known.manager.running_task_count();
        let mut records = known.records();
        let expires = records.get(&id).and_then(|record| record.expires);
        wait = match expires.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => left,
            _ => {
                records.remove(&id);
                return;
            }
        };
    }
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("there is no such task", None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use rmcp::model::ContentBlock;

    use super::*;

    /// Nobody asks for either task, and nothing of them is left.
    #[tokio::test]
    async fn are_forgotten_by_themselves() {
        let memory = Quota::new(1_000, 1_000);
        let tasks = Tasks::new(Duration::from_millis(200), memory.clone());
        let held = Arc::new(());
        let room = || tasks.reserve("a", Duration::ZERO, 500).unwrap();
        let waits = held.clone();
        room().spawn(|_| {
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(waits);
                Err(TaskExit::Cancelled)
            })
        });
        room().spawn(|_| {
            Box::pin(async { Ok(CallToolResult::success(vec![ContentBlock::text("done")])) })
        });
        assert!(memory.take("a", 500).is_none());
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(Arc::strong_count(&held), 1, "the one that waits goes on");
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(tasks.0.records().is_empty());
        assert!(memory.take("a", 1_000).is_some());
    }
}
