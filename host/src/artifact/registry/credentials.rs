//! Credentials for registries, from the files of Docker and Podman and from credential helpers.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use super::super::error::{FetchError, shown};

/// Upper limit of a file with credentials.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Time for a credential helper, which may ask the user to unlock a key store.
const MAX_HELPER: Duration = Duration::from_secs(60);
/// Docker's own registry, and the key under which its credentials are kept.
const DOCKER_HUB: (&str, &str) = ("docker.io", "https://index.docker.io/v1/");

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Password {
        user: String,
        password: String,
    },
    /// A refresh token for the registry's token service.
    IdentityToken(String),
}

/// Looks up the credentials for a registry, host and port as in a reference. Returns `None` if there are none.
///
/// # Errors
/// A file cannot be read, or the helper fails: the user wants to be known there, so the request is not made anonymously.
pub(super) async fn find(registry: &str) -> Result<Option<Credentials>, FetchError> {
    let registry = registry.to_owned();
    let error = |host: &str, reason: String| FetchError::Credentials {
        host: host.to_owned(),
        reason,
    };
    let host = registry.clone();
    let finding = tokio::task::spawn_blocking(move || find_in(&registry, files()));
    match tokio::time::timeout(MAX_HELPER, finding).await {
        Ok(Ok(found)) => found.map_err(|reason| error(&host, reason)),
        Ok(Err(_)) => Err(error(&host, "looking them up failed".to_owned())),
        Err(_) => {
            let seconds = MAX_HELPER.as_secs();
            let reason = format!("the credential helper did not answer within {seconds} s");
            Err(error(&host, reason))
        }
    }
}

/// Returns the files that may hold credentials, the most specific first.
fn files() -> Vec<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|value| !value.as_os_str().is_empty())
    };
    let home = variable("HOME");
    let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let docker = variable("DOCKER_CONFIG").or_else(|| in_home(".docker"));
    let files = [
        variable("REGISTRY_AUTH_FILE"),
        docker.map(|dir| dir.join("config.json")),
        variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        in_home(".config/containers/auth.json"),
    ];
    files.into_iter().flatten().collect()
}

/// Returns the credentials in the first file that has some.
fn find_in(registry: &str, files: Vec<PathBuf>) -> Result<Option<Credentials>, String> {
    let (hub, hub_key) = DOCKER_HUB;
    let server = if registry == hub { hub_key } else { registry };
    for path in files {
        let Some(text) = read(&path)? else { continue };
        let shown_path = path.display();
        match docker_credential::get_credential_from_reader(&*text, server) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                return Ok(Some(Credentials::Password { user, password }));
            }
            Ok(DockerCredential::IdentityToken(token)) => {
                return Ok(Some(Credentials::IdentityToken(token)));
            }
            Err(
                CredentialRetrievalError::NoCredentialConfigured
                | CredentialRetrievalError::ConfigNotFound,
            ) => {}
            // The sentence of the protocol of credential helpers for an unknown server.
            Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
                if [&stdout, &stderr]
                    .iter()
                    .any(|text| text.contains("credentials not found")) => {}
            Err(CredentialRetrievalError::HelperFailure {
                helper,
                stdout,
                stderr,
            }) => {
                let said = shown(format!("{} {}", stdout.trim(), stderr.trim()).trim());
                return Err(format!(
                    "the helper `{helper}` of `{shown_path}` failed ({said}); run `{helper} get` yourself"
                ));
            }
            Err(CredentialRetrievalError::HelperCommunicationError) => {
                return Err(format!(
                    "a credential helper that `{shown_path}` names cannot be run; install it, or take it out there"
                ));
            }
            Err(other) => return Err(format!("`{shown_path}`: {other}; log in again")),
        }
    }
    Ok(None)
}

/// Reads a file with credentials; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |error| format!("`{}` cannot be read: {error}", path.display());
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = Vec::new();
    let mut file = file.take(MAX_FILE_BYTES + 1);
    file.read_to_end(&mut text).map_err(unreadable)?;
    match text.len() as u64 > MAX_FILE_BYTES {
        true => Err(format!(
            "`{}` is larger than {MAX_FILE_BYTES} bytes",
            path.display()
        )),
        false => Ok(Some(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_or_their_absence_is_explained() {
        let dir = tempfile::tempdir().expect("a directory");
        let password = |user: &str, password: &str| Credentials::Password {
            user: user.into(),
            password: password.into(),
        };
        for (text, registry, expected) in [
            (
                r#"{"auths":{"a.b":{"auth":"dTpw"}}}"#,
                "a.b",
                Ok(Some(password("u", "p"))),
            ),
            (
                r#"{"auths":{"a.b:5000":{"auth":"dTpw"}}}"#,
                "a.b:5000",
                Ok(Some(password("u", "p"))),
            ),
            (r#"{"auths":{"a.b:5000":{"auth":"dTpw"}}}"#, "a.b", Ok(None)),
            (r#"{"auths":{"a.b":{"auth":"dTpw"}}}"#, "b", Ok(None)),
            (
                r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#,
                "docker.io",
                Ok(Some(password("u", "p"))),
            ),
            (
                r#"{"auths":{"a.b":{"identitytoken":"t"}}}"#,
                "a.b",
                Ok(Some(Credentials::IdentityToken("t".into()))),
            ),
            ("{}", "a.b", Ok(None)),
            ("rubbish", "a.b", Err("log in again")),
            (
                r#"{"auths":{"a.b":{"auth":"%"}}}"#,
                "a.b",
                Err("log in again"),
            ),
            (
                r#"{"credHelpers":{"a.b":"that-does-not-exist"}}"#,
                "a.b",
                Err("cannot be run"),
            ),
        ] {
            let file = dir.path().join("config.json");
            std::fs::write(&file, text).expect("written");
            match (
                find_in(registry, vec![dir.path().join("absent"), file]),
                expected,
            ) {
                (Ok(found), Ok(expected)) => assert!(found == expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                _ => panic!("{text}"),
            }
        }
    }
}
