//! A certified OpenID provider in its own process, and a user who logs in there.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::free_port;
use crate::CLIENTS;
use crate::process::Process;

/// The redirect URI of all clients. Nothing listens there; the test reads the parameters off the redirect.
const CALLBACK: &str = "http://127.0.0.1/callback";

/// Limit on pages and redirects of one login. A login takes eight.
const MAX_LOGIN_STEPS: usize = 12;

const FORM_MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// An OpenID provider. A restart keeps its address and keys, and loses its registered clients.
pub(super) struct Provider {
    process: Option<Process>,
    port: u16,
    key_dir: tempfile::TempDir,
}

impl Provider {
    /// A confidential client without a user. It is granted `tools:use` only.
    pub(super) const MACHINE: &str = "machine";
    pub(super) const MACHINE_SECRET: &str = "the-secret-of-the-machine";
    /// A public client that is registered in the provider's configuration.
    pub(super) const REGISTERED: &str = "known";

    /// Starts a provider that publishes these keys and signs with the first one. A key of a new name is generated.
    pub(super) fn start(algorithm: &str, keys: &[&str]) -> Self {
        let mut provider = Self {
            process: None,
            port: free_port(),
            key_dir: tempfile::tempdir().unwrap(),
        };
        provider.restart(algorithm, keys);
        provider
    }

    pub(super) fn restart(&mut self, algorithm: &str, keys: &[&str]) {
        self.stop();
        let mut command = Command::new("node");
        command
            .arg(format!("{CLIENTS}/node/oauth-provider.mjs"))
            .args([&self.port.to_string(), algorithm])
            .args(keys.iter().map(|name| self.key_dir.path().join(name)))
            .stdout(Stdio::null());
        self.process = Some(Process::start(command));
    }

    pub(super) fn stop(&mut self) {
        self.process = None;
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Obtains a token with the scope `tools:use` for a resource.
    pub(super) async fn token_for(&self, resource: &str) -> String {
        let parameters = format!("resource={resource}&scope=tools:use");
        self.token(&parameters).await
    }

    /// Obtains a token by a client credentials request with additional parameters.
    pub(super) async fn token(&self, parameters: &str) -> String {
        let request = reqwest::Client::new()
            .post(format!("{}/token", self.issuer()))
            .basic_auth(Self::MACHINE, Some(Self::MACHINE_SECRET))
            .header(CONTENT_TYPE, FORM_MEDIA_TYPE)
            .body(format!("grant_type=client_credentials&{parameters}"));
        let response: Value = request.send().await.unwrap().json().await.unwrap();
        let token = response["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no token: {response}"))
    }
}

/// A user with a browser who logs in as `alice` and consents to everything.
#[derive(Default)]
pub(super) struct User {
    cookies: BTreeMap<String, String>,
}

impl User {
    /// Follows an authorization URL and fills in the provider's forms. Returns the URL that redirects back to the
    /// client.
    pub(super) async fn log_in(&mut self, url: &str) -> String {
        let browser = reqwest::Client::builder()
            .redirect(Policy::none())
            .build()
            .unwrap();
        let mut request = browser.get(url);
        for _ in 0..MAX_LOGIN_STEPS {
            let response = self.send(request).await;
            if let Some(location) = response.headers().get(LOCATION) {
                let next = response.url().join(location.to_str().unwrap()).unwrap();
                if next.as_str().starts_with(CALLBACK) {
                    return next.into();
                }
                request = browser.get(next);
                continue;
            }
            let page = response.text().await.unwrap();
            let prompt = text_after(&page, "name=\"prompt\" value=\"");
            request = browser
                .post(text_after(&page, "action=\""))
                .header(CONTENT_TYPE, FORM_MEDIA_TYPE)
                .body(format!("prompt={prompt}&login=alice&password=any"));
        }
        panic!("no redirect to the client after {MAX_LOGIN_STEPS} steps");
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<_> = cookies.collect();
        let request = request.header(COOKIE, cookies.join("; "));
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
        }
        response
    }
}

/// Returns the text of the page between `start` and the next quote.
fn text_after<'a>(page: &'a str, start: &str) -> &'a str {
    let rest = page.split_once(start).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once('"'));
    found.unwrap_or_else(|| panic!("no {start} in {page}")).0
}
