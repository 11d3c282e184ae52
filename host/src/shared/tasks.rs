//! Tasks in Redis: the state that their owner writes and every host reads, and the messages of other hosts to the owner.
//!
//! The owner of a task is the host that runs it. Each host has a presence, a key that it renews; a task whose owner's
//! presence is gone is ended by the first host that reads it, for good. The key of a task is made of its id and its caller,
//! so that another caller finds nothing.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Script, ScriptInvocation};

use super::config::SharedConfig;
use super::error::Away;
use super::link::{Link, PRESENCE_TIME, Reconnections};
use super::scripts;
use super::seal::Seal;

/// Time for an operation on a task. Its state is larger than that of a rate.
const MAX_OPERATION_TIME: Duration = Duration::from_secs(1);
/// Size of the state of a task, which contains its result.
pub(crate) const MAX_STATE_BYTES: usize = 16 << 20;
/// Size of a message to the owner of a task.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Bytes that encryption adds.
const SEAL_BYTES: usize = 64;
/// Messages that wait for a host.
const MAX_WAITING_MESSAGES: usize = 1_024;
/// Messages that a host takes at once.
const MAX_MESSAGES_AT_ONCE: usize = 16;
/// The name to which messages are bound.
const MESSAGE: &str = "message";

/// The tasks of all hosts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TaskStore {
    link: Link,
    seal: Seal,
    task_prefix: String,
    inbox_prefix: String,
    scripts: Arc<Scripts>,
}

struct Scripts {
    publish: Script,
    read: Script,
    send: Script,
    receive: Script,
}

/// The name of a task of a caller in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TaskKey(String);

/// The effect of writing a task's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    Written,
    /// Another host has ended the task, because this one seemed to be dead.
    EndedElsewhere,
}

/// A task as it is stored.
#[derive(Debug)]
pub(crate) struct StoredTask {
    /// The last state that the owner wrote.
    pub(crate) state: Vec<u8>,
    /// Whether the owner died before the task had ended.
    pub(crate) is_orphaned: bool,
}

/// The way a message to the owner of a task went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The owner will take it and write a state with a higher number.
    Waiting {
        serial: i64,
    },
    NoSuchTask,
    /// The task has ended.
    Ended,
    /// The owner has too many messages.
    Full,
}

impl TaskStore {
    pub(super) fn new(link: Link, seal: Seal, config: &SharedConfig) -> Self {
        Self {
            link,
            seal,
            task_prefix: config.key_prefix("task"),
            inbox_prefix: config.key_prefix("inbox"),
            scripts: Arc::new(Scripts {
                publish: Script::new(scripts::PUBLISH),
                read: Script::new(scripts::READ),
                send: Script::new(scripts::SEND),
                receive: Script::new(scripts::RECEIVE),
            }),
        }
    }

    /// Returns the name of a task of a caller.
    pub(crate) fn key(&self, caller: &str, id: &str) -> TaskKey {
        TaskKey(self.task_prefix.clone() + &self.seal.name(&[caller, id]))
    }

    /// Returns whether Redis can be used now.
    pub(crate) fn is_available(&self) -> bool {
        self.link.counts().is_available
    }

    /// Returns a receiver that changes with each new connection, after which states may have to be written again.
    pub(crate) fn reconnections(&self) -> Reconnections {
        self.link.reconnections()
    }

    /// Writes the state of a task of this host, to be kept for `time`.
    ///
    /// # Errors
    /// Redis is away; the state may have been written.
    pub(crate) async fn publish(
        &self,
        key: &TaskKey,
        state: &[u8],
        is_end: bool,
        time: Duration,
    ) -> Result<Published, Away> {
        let sealed = self.seal.seal(&key.0, state).ok_or(Away)?;
        let mut call = self.scripts.publish.key(&key.0);
        call.arg(self.link.replica())
            .arg(sealed)
            .arg(u8::from(is_end))
            .arg(millis(time));
        Ok(match self.invoke::<u8>(&call).await? {
            0 => Published::EndedElsewhere,
            _ => Published::Written,
        })
    }

    /// Reads a task; `None` if there is none. Ends it if its owner is dead.
    ///
    /// # Errors
    /// Redis is away.
    pub(crate) async fn read(&self, key: &TaskKey) -> Result<Option<StoredTask>, Away> {
        let mut call = self.scripts.read.key(&key.0);
        call.arg(self.link.presence_prefix())
            .arg(MAX_STATE_BYTES + SEAL_BYTES)
            .arg(u8::from(self.link.sees_presences()));
        let mut found: Vec<Vec<u8>> = self.invoke(&call).await?;
        let (Some(is_orphaned), Some(sealed)) = (found.pop(), found.pop()) else {
            return Ok(None);
        };
        // Only a host with another state key, or somebody else, writes what cannot be opened.
        let state = self.seal.open(&key.0, sealed);
        Ok(state.map(|state| StoredTask {
            state,
            is_orphaned: is_orphaned == b"1",
        }))
    }

    /// Sends a message about a task to its owner, which may be this host.
    ///
    /// # Errors
    /// Redis is away; the message may have been sent.
    pub(crate) async fn send(&self, key: &TaskKey, message: &[u8]) -> Result<Sent, Away> {
        let message = self.seal.seal(MESSAGE, message).ok_or(Away)?;
        let mut call = self.scripts.send.key(&key.0);
        call.arg(&self.inbox_prefix)
            .arg(message)
            .arg(MAX_WAITING_MESSAGES)
            .arg(millis(PRESENCE_TIME * 4));
        Ok(match self.invoke(&call).await? {
            -1 => Sent::NoSuchTask,
            -2 => Sent::Ended,
            ..=-3 => Sent::Full,
            serial => Sent::Waiting { serial },
        })
    }

    /// Returns the serial number of a task's state.
    ///
    /// # Errors
    /// Redis is away.
    pub(crate) async fn serial(&self, key: &TaskKey) -> Result<Option<i64>, Away> {
        let key = &key.0;
        self.link
            .run(MAX_OPERATION_TIME, async move |mut connection| {
                Cmd::hget(key, "serial").query_async(&mut connection).await
            })
            .await
    }

    /// Takes the messages for this host.
    ///
    /// # Errors
    /// Redis is away; messages may be lost.
    pub(crate) async fn receive(&self) -> Result<Vec<Vec<u8>>, Away> {
        let inbox = self.inbox_prefix.clone() + self.link.replica();
        let mut call = self.scripts.receive.key(inbox);
        call.arg(MAX_MESSAGES_AT_ONCE)
            .arg(MAX_MESSAGE_BYTES + SEAL_BYTES);
        let messages: Vec<Vec<u8>> = self.invoke(&call).await?;
        let messages = messages.into_iter();
        Ok(messages
            .filter_map(|message| self.seal.open(MESSAGE, message))
            .collect())
    }

    async fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Away> {
        self.link
            .run(MAX_OPERATION_TIME, async move |mut connection| {
                call.invoke_async(&mut connection).await
            })
            .await
    }
}

impl TaskKey {
    /// Returns the name for messages, which are not seen by callers.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns milliseconds, at least one, because Redis deletes a key whose time is zero.
fn millis(time: Duration) -> u64 {
    /// Redis refuses times that overflow its clock.
    const MAX_MILLIS: u64 = 1 << 50;
    u64::try_from(time.as_millis()).map_or(MAX_MILLIS, |millis| millis.clamp(1, MAX_MILLIS))
}
