//! Calls that became tasks (the extension `io.modelcontextprotocol/tasks`): a
//! client that declares the extension does not wait for a long call, it asks for
//! its task.
//!
//! `rmcp` keeps a task's state but not whose it is. Here every task belongs to a
//! caller; somebody else's id is answered as one that does not exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rmcp::ErrorData;
use rmcp::model::{DetailedTask, InputResponses, Task};
use rmcp::task_manager::{TaskContext, TaskFuture, TaskManager, TaskOptions};

/// How long a call may take before it becomes a task.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How long a task may run, waiting for answers included; its result is kept for
/// as long again.
const TTL: Duration = Duration::from_secs(900);
/// How often a client should ask.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Tasks that are kept at once.
const MAX_TASKS: usize = 4_096;
/// Tasks of one caller that are kept.
const MAX_TASKS_PER_CALLER: usize = 64;

/// The tasks of a server.
#[derive(Clone, Default)]
pub(super) struct Tasks {
    manager: TaskManager,
    owners: Arc<Mutex<HashMap<String, Owner>>>,
}

/// A place for a task, given back when it is dropped unused.
pub(super) struct Room {
    tasks: Tasks,
    place: String,
}

impl Room {
    /// Makes the task.
    pub(super) fn spawn(self, work: impl FnOnce(TaskContext) -> TaskFuture) -> Task {
        let options = TaskOptions::new()
            .with_ttl_ms(TTL.as_millis() as u64)
            .with_poll_interval_ms(POLL_INTERVAL.as_millis() as u64);
        // Nobody knows its id before this returns.
        let task = self.tasks.manager.spawn(options, work);
        let mut owners = self.tasks.owners();
        if let Some(mut owner) = owners.remove(&self.place) {
            owner.since = Instant::now();
            owners.insert(task.task_id.clone(), owner);
        }
        drop(owners);
        task
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.tasks.owners().remove(&self.place);
    }
}

struct Owner {
    caller: String,
    since: Instant,
}

impl Tasks {
    /// Keeps a place for a task of this caller's; `None` where it has too many, or
    /// the server.
    pub(super) fn reserve(&self, caller: &str) -> Option<Room> {
        let mut owners = self.owners();
        // The manager forgets a task by then.
        owners.retain(|_, owner| owner.since.elapsed() < 2 * TTL);
        let own = owners.values().filter(|o| o.caller == caller).count();
        if own >= MAX_TASKS_PER_CALLER || owners.len() >= MAX_TASKS {
            return None;
        }
        let owner = Owner {
            caller: caller.to_owned(),
            since: Instant::now(),
        };
        let place = uuid::Uuid::new_v4().to_string();
        owners.insert(place.clone(), owner);
        drop(owners);
        Some(Room {
            tasks: self.clone(),
            place,
        })
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Owner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `tasks/get`
    ///
    /// # Errors
    /// The caller has no such task.
    pub(super) fn state(&self, id: &str, caller: &str) -> Result<DetailedTask, ErrorData> {
        self.check(id, caller)?;
        self.manager.get_task(id)
    }

    /// `tasks/update`
    ///
    /// # Errors
    /// The caller has no such task.
    pub(super) fn answer(
        &self,
        id: &str,
        caller: &str,
        answers: InputResponses,
    ) -> Result<(), ErrorData> {
        self.check(id, caller)?;
        self.manager.update_task(id, answers)
    }

    /// `tasks/cancel`
    ///
    /// # Errors
    /// The caller has no such task.
    pub(super) fn cancel(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        self.check(id, caller)?;
        self.manager.cancel_task(id)
    }

    fn check(&self, id: &str, caller: &str) -> Result<(), ErrorData> {
        let owners = self.owners();
        match owners.get(id) {
            Some(owner) if owner.caller == caller => Ok(()),
            _ => Err(ErrorData::invalid_params("there is no such task", None)),
        }
    }
}
