//! Synchronises the audit file with the disk on a thread of its own: it may take longer than the queue of entries lasts.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// The thread that synchronises the file.
pub(super) struct Synchronizer {
    /// Takes files only while the thread waits for some.
    files: SyncSender<Vec<File>>,
    thread: JoinHandle<()>,
}

impl Synchronizer {
    /// Starts the thread, which calls `sync` for each file.
    ///
    /// # Errors
    /// The system has no further thread.
    pub(super) fn start(sync: impl Fn(&File) + Send + 'static) -> io::Result<Self> {
        let (files, requests) = sync_channel::<Vec<File>>(0);
        let thread = Builder::new().name("audit-sync".into()).spawn(move || {
            for files in requests {
                files.iter().for_each(&sync);
            }
        })?;
        Ok(Self { files, thread })
    }

    /// Starts to synchronise what has been written to these files. Returns whether it did: an earlier one may not have ended.
    pub(super) fn request(&self, files: Vec<File>) -> bool {
        self.files.try_send(files).is_ok()
    }

    /// Waits until the last one has ended. The file is locked until then.
    pub(super) fn finish(self) {
        drop(self.files);
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_file_is_synchronised_at_a_time() {
        let (started, has_started) = sync_channel(0);
        let (end, ended) = sync_channel(0);
        let synchronizer = Synchronizer::start(move |_| {
            started.send(()).expect("received");
            ended.recv().expect("sent");
        })
        .expect("a thread");
        let request = || synchronizer.request(vec![tempfile::tempfile().expect("a file")]);
        for _ in 0..2 {
            while !request() {
                std::thread::sleep(Duration::from_millis(1));
            }
            has_started.recv().expect("sent");
            assert!(!request(), "while one is synchronised");
            end.send(()).expect("received");
        }
        synchronizer.finish();
    }
}
