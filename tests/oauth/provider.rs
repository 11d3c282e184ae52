//! A certified OpenID provider in a process of its own, and a person who logs in there.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::free_port;
use crate::CLIENTS;
use crate::process::Process;

/// Where the provider sends people back to. Nobody listens there.
const CALLBACK: &str = "http://127.0.0.1/callback";

/// The most pages and redirects of one login; it takes eight.
const STEPS_MAX: usize = 12;

const FORM: &str = "application/x-www-form-urlencoded";

/// The provider. It keeps its address and its keys when it starts again, and forgets who registered.
pub(super) struct Provider {
    process: Option<Process>,
    port: u16,
    keys: tempfile::TempDir,
}

impl Provider {
    /// The client that has a secret and no person: it gets `tools:use` and nothing more.
    pub(super) const MACHINE: &str = "machine";
    pub(super) const MACHINE_SECRET: &str = "the-secret-of-the-machine";
    /// A client without a secret that need not register.
    pub(super) const KNOWN: &str = "known";

    /// Signs with the first of these keys, and publishes all of them. Any name is a key.
    pub(super) fn start(algorithm: &str, keys: &[&str]) -> Self {
        let mut provider = Self {
            process: None,
            port: free_port(),
            keys: tempfile::tempdir().unwrap(),
        };
        provider.start_again(algorithm, keys);
        provider
    }

    pub(super) fn start_again(&mut self, algorithm: &str, keys: &[&str]) {
        self.stop();
        let mut command = Command::new("node");
        command
            .arg(format!("{CLIENTS}/node/oauth-provider.mjs"))
            .args([&self.port.to_string(), algorithm])
            .args(keys.iter().map(|name| self.keys.path().join(name)))
            .stdout(Stdio::null());
        self.process = Some(Process::start(command));
    }

    pub(super) fn stop(&mut self) {
        self.process = None;
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A token for this resource with `tools:use`.
    pub(super) async fn token_for(&self, resource: &str) -> String {
        let parameters = format!("resource={resource}&scope=tools:use");
        self.token(&parameters).await
    }

    /// A token as it stands on the wire: client credentials, with these parameters.
    pub(super) async fn token(&self, parameters: &str) -> String {
        let request = reqwest::Client::new()
            .post(format!("{}/token", self.issuer()))
            .basic_auth(Self::MACHINE, Some(Self::MACHINE_SECRET))
            .header(CONTENT_TYPE, FORM)
            .body(format!("grant_type=client_credentials&{parameters}"));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no token: {answer}"))
    }
}

/// Somebody at a browser, who logs in as `alice` and consents to everything.
#[derive(Default)]
pub(super) struct Person {
    cookies: BTreeMap<String, String>,
}

impl Person {
    /// Follows the link and fills in forms until the provider sends the person back to the client; returns with what.
    pub(super) async fn go(&mut self, url: &str) -> String {
        let browser = reqwest::Client::builder()
            .redirect(Policy::none())
            .build()
            .unwrap();
        let mut request = browser.get(url);
        for _ in 0..STEPS_MAX {
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
            let prompt = between(&page, "name=\"prompt\" value=\"");
            request = browser
                .post(between(&page, "action=\""))
                .header(CONTENT_TYPE, FORM)
                .body(format!("prompt={prompt}&login=alice&password=any"));
        }
        panic!("the provider asks without end");
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

/// What stands in the page from here to the next quote.
fn between<'a>(page: &'a str, start: &str) -> &'a str {
    let rest = page.split_once(start).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once('"'));
    found.unwrap_or_else(|| panic!("no {start} in {page}")).0
}
