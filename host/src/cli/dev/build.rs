//! One run of the build command.

use std::io;
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, Command};

use super::project::BuildCommand;

/// Time that a build gets after SIGTERM, for example to remove an incomplete output.
const MAX_STOP_TIME: Duration = Duration::from_secs(2);
/// Time between two looks whether it has ended.
const STOP_INTERVAL: Duration = Duration::from_millis(10);

/// A running build, in a process group of its own.
pub(super) struct Build {
    child: Child,
    group: Pid,
}

impl Build {
    /// Starts the command. It writes to standard error.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn start(command: &BuildCommand) -> io::Result<Self> {
        let stderr = || io::stderr().as_fd().try_clone_to_owned();
        let child = Command::new(command.program)
            .args(&command.arguments)
            .stdin(Stdio::null())
            .stdout(stderr()?)
            .stderr(stderr()?)
            // Ctrl-C reaches it through this process, which ends the whole group.
            .process_group(0)
            .spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = group.ok_or_else(|| io::Error::other("the process has ended already"))?;
        Ok(Self { child, group })
    }

    /// Waits for the end of the command. Cancel-safe.
    ///
    /// # Errors
    /// The system does not tell it.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the whole group: with SIGTERM, then with SIGKILL.
    pub(super) async fn stop(mut self) {
        let _ = kill_process_group(self.group, Signal::TERM);
        let _ = tokio::time::timeout(MAX_STOP_TIME, self.leader_ended()).await;
        // Until its first process is waited for, no other group can have its id.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// Resolves when the first process has ended, which is not waited for yet.
    async fn leader_ended(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Ok(None) = waitid(WaitId::Pid(self.group), options) {
            tokio::time::sleep(STOP_INTERVAL).await;
        }
    }
}
