//! The configuration file of a client: found, shown, and replaced as a whole.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::client::Client;
use super::merge::{difference, merge};
use crate::cli::output::{Failure, fail, say};
use crate::text::escape_untrusted;

/// Size of a configuration file. Those of clients have a few kilobytes; some keep histories in them.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Length of an answer.
const MAX_ANSWER_BYTES: u64 = 64;
/// Permissions of a new file, less those that the umask takes away.
const NEW_FILE_MODE: u32 = 0o666;

/// The configuration file of a client.
pub(super) struct Target {
    /// The path for people.
    name: PathBuf,
    /// The file itself, without symbolic links.
    path: PathBuf,
    /// `None` if there is no file yet.
    before: Option<Before>,
}

/// The file as it is.
struct Before {
    text: String,
    permissions: Permissions,
}

impl Target {
    /// Reads the file that is named, else the usual one of the client.
    ///
    /// # Errors
    /// One sentence: there is no usual file, or it cannot be read or written.
    pub(super) fn find(client: Client, file: Option<PathBuf>) -> Result<Self, String> {
        let name = match file {
            Some(file) => file,
            None => usual_file(client)?,
        };
        let unusable = |error: io::Error| {
            format!(
                "`{}` cannot be used, so nothing is written: {error}",
                name.display()
            )
        };
        let path = match fs::canonicalize(&name) {
            Ok(path) => path,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unusable(error)),
            Err(_) if name.symlink_metadata().is_ok() => {
                return Err(format!(
                    "`{}` is a link to a file that does not exist, so nothing is written; create that file or remove the link",
                    name.display()
                ));
            }
            Err(_) => std::path::absolute(&name).map_err(unusable)?,
        };
        let before = read(&path).map_err(unusable)?;
        Ok(Self { name, path, before })
    }

    /// Adds a server to the file.
    pub(super) fn write(
        self,
        key: &str,
        name: &str,
        settings: &Value,
        is_confirmed: bool,
    ) -> Result<(), Failure> {
        let file = self.name.display();
        let before = self.before.as_ref().map_or("", |before| &before.text);
        let after = merge(before, key, name, settings).map_err(|reason| {
            fail(format!(
                "`{file}` is not what it should be, so nothing is written: {reason}; correct it, or name another file with \
                 --file"
            ))
        })?;
        if after == before {
            say!("{file} has this server already");
            return Ok(());
        }
        say!("{file}:");
        for line in difference(before, &after) {
            say!("{line}");
        }
        if !is_confirmed && !self.ask()? {
            return Ok(());
        }
        self.replace(&after).map_err(|error| {
            fail(format!(
                "`{file}` cannot be written and stays as it is: {error}"
            ))
        })?;
        say!("written");
        Ok(())
    }

    /// Returns whether the user wants the change.
    fn ask(&self) -> Result<bool, Failure> {
        let (stdin, mut stderr) = (io::stdin(), io::stderr());
        if !stdin.is_terminal() || !stderr.is_terminal() {
            return Err(fail(
                "nothing is written, since there is no terminal to ask on; add --yes to write without asking",
            ));
        }
        let question = format!("write {}? [y/N] ", self.name.display());
        let asked = write!(stderr, "{}", escape_untrusted(&question));
        let mut answer = Vec::new();
        let read = asked.and_then(|()| {
            let mut stdin = stdin.lock().take(MAX_ANSWER_BYTES);
            stdin.read_until(b'\n', &mut answer)
        });
        read.map_err(fail)?;
        let is_wanted =
            [&b"y"[..], b"yes"].contains(&answer.trim_ascii().to_ascii_lowercase().as_slice());
        if !is_wanted {
            say!("nothing is written");
        }
        Ok(is_wanted)
    }

    /// Replaces the file as a whole.
    fn replace(&self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let is_same = match (&self.before, read(&self.path)?) {
            (Some(before), Some(now)) => before.text == now.text,
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            return Err(io::Error::other(
                "it has changed meanwhile; repeat the command",
            ));
        }
        let mut new = tempfile::Builder::new()
            .permissions(Permissions::from_mode(NEW_FILE_MODE))
            .tempfile_in(folder)?;
        if let Some(before) = &self.before {
            new.as_file().set_permissions(before.permissions.clone())?;
        }
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        Ok(())
    }
}

/// Reads a file that can also be written; `None` if there is none.
fn read(path: &Path) -> io::Result<Option<Before>> {
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MAX_FILE_BYTES {
        true => Err(io::Error::other(format!(
            "it is larger than {MAX_FILE_BYTES} bytes"
        ))),
        false => Ok(Some(Before {
            text,
            permissions: metadata.permissions(),
        })),
    }
}

/// Returns the file in which a client looks.
fn usual_file(client: Client) -> Result<PathBuf, String> {
    let home = || {
        let home = env::var_os("HOME").filter(|home| !home.is_empty());
        home.map(PathBuf::from)
            .ok_or_else(|| "`HOME` is not set; name the file with --file".to_owned())
    };
    Ok(match client {
        Client::Claude if cfg!(target_os = "macos") => {
            home()?.join("Library/Application Support/Claude/claude_desktop_config.json")
        }
        Client::Claude => home()?.join(".config/Claude/claude_desktop_config.json"),
        Client::ClaudeCode => ".mcp.json".into(),
        Client::Cursor => home()?.join(".cursor/mcp.json"),
        Client::VsCode => ".vscode/mcp.json".into(),
        Client::LmStudio => home()?.join(".lmstudio/mcp.json"),
        Client::Json | Client::Registry => {
            return Err("these settings have no usual file; name one with --file".into());
        }
    })
}
