//! `--output`: pictures and other binary content of a result become files.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::component::{Block, Body, ToolResult};

/// Names that are tried, each with another number, before a file counts as impossible to name.
const MAX_ATTEMPTS: usize = 1_000;
/// Longer names of a guest are cut, within the limit of 255 bytes of file systems.
const MAX_NAME_BYTES: usize = 100;

/// Creates the folder for files, unless it exists.
///
/// # Errors
/// One sentence: it cannot be created, or is not a folder.
pub(super) fn create_folder(folder: &Path) -> Result<(), String> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(format!(
            "`{}` exists and is not a folder; name another for `--output`",
            folder.display()
        )),
        Err(error) => Err(format!(
            "the folder `{}` cannot be created: {error}",
            folder.display()
        )),
    }
}

/// Writes the binary content of a result to files. Returns the path of each block's file.
///
/// # Errors
/// One sentence: a file cannot be written.
pub(super) fn save(
    folder: &Path,
    tool: &str,
    result: &ToolResult,
) -> Result<Vec<Option<PathBuf>>, String> {
    let blocks = result.content.iter().enumerate();
    let saved = blocks.map(|(index, content)| {
        let default = format!("{tool}-{}", index + 1);
        match &content.block {
            Block::Image(media) | Block::Audio(media) => {
                let ending = ending(&media.media_type);
                write_new(folder, &default, ending, &media.data).map(Some)
            }
            Block::Embedded(embedded) => match &embedded.body {
                Body::Binary(bytes) => {
                    let ending = ending(embedded.media_type.as_deref().unwrap_or_default());
                    let (name, ending) =
                        name_of_uri(&embedded.uri).unwrap_or((default, ending.into()));
                    write_new(folder, &name, &ending, bytes).map(Some)
                }
                Body::Text(_) => Ok(None),
            },
            Block::Text(_) | Block::Link(_) => Ok(None),
        }
    });
    saved.collect()
}

/// Writes a file that does not exist yet: `name.ending`, else `name-2.ending` and so on.
fn write_new(folder: &Path, name: &str, ending: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    for attempt in 1..=MAX_ATTEMPTS {
        let file_name = match attempt {
            1 => format!("{name}.{ending}"),
            _ => format!("{name}-{attempt}.{ending}"),
        };
        let path = folder.join(file_name);
        let mut file = match File::create_new(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(not_written(&path, &error)),
        };
        return match file.write_all(bytes) {
            Ok(()) => Ok(path),
            Err(error) => Err(not_written(&path, &error)),
        };
    }
    Err(format!(
        "`{}` has {MAX_ATTEMPTS} files named like `{name}.{ending}`; name another folder for `--output`",
        folder.display()
    ))
}

fn not_written(path: &Path, error: &std::io::Error) -> String {
    format!("`{}` cannot be written: {error}", path.display())
}

/// Returns a safe file name and ending from the last segment of a URI, if it has both.
fn name_of_uri(uri: &str) -> Option<(String, String)> {
    let path = uri.split(['?', '#']).next()?;
    let (name, ending) = path.rsplit(['/', ':', '\\']).next()?.rsplit_once('.')?;
    let safe = |text: &str| -> String {
        let is_safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        text.chars().filter(is_safe).take(MAX_NAME_BYTES).collect()
    };
    let (name, ending) = (safe(name), safe(ending));
    (!name.is_empty() && !ending.is_empty()).then_some((name, ending))
}

/// Returns the usual ending of files of a media type.
fn ending(media_type: &str) -> &'static str {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/json" => "json",
        _ => "bin",
    }
}
