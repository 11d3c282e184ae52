//! CORS in a real browser. A page of an allowed origin can use the host like any client. A page of another origin can
//! neither read a response nor run a guest, even with a valid token.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use toolcrib::App;
use toolcrib::config::{Config, Overrides};

use crate::issuer::Issuer;
use crate::{CLIENTS, EXAMPLES};

/// Time limit for the browser to start, use the host and report. It usually takes two seconds.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(30);

/// Supported browsers, in order of preference. `clients/setup.sh` installs the first if none is present.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// File name of the host's log.
const LOG_FILE: &str = "log";

/// Log message of the guest, once per call of `whoami`.
const GUEST_RAN: &str = "whoami was asked";

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_allowed_origins_can_use_the_host() {
    let issuer = Issuer::start().await;
    let (listed, unlisted) = (listener().await, listener().await);
    let host = Host::start(&issuer, &origin(&listed)).await;

    let other = origin(&unlisted);
    let report = visit(unlisted, &host.settings(&issuer, "mallory")).await;
    assert_cannot_use(&report);
    let log = host.log();
    assert!(
        !log.contains(GUEST_RAN) && !log.contains("mallory"),
        "{log}"
    );
    let requests = host.requests_of(&other);
    assert!(!requests.is_empty());
    for request in &requests {
        assert_eq!(request.status, 403, "{requests:#?}");
        assert!(!request.is_readable, "{requests:#?}");
    }
    // Only the `no-cors` request is sent without a preflight.
    let sent = requests.iter().filter(|request| !request.is_preflight());
    assert_eq!(sent.count(), 1, "{requests:#?}");

    let own = origin(&listed);
    let report = visit(listed, &host.settings(&issuer, "alice")).await;
    assert_can_use(&report, &host.resource, issuer.url());
    // Once by `fetch`, and once by the MCP client in each of two revisions.
    let log = host.log();
    assert_eq!(log.matches(GUEST_RAN).count(), 3, "{log}");
    let requests = host.requests_of(&own);
    assert!(requests.iter().any(RecordedRequest::is_preflight));
    for request in &requests {
        assert!(request.is_readable, "{requests:#?}");
    }
}

/// Checks the report of a page that can use the host.
fn assert_can_use(report: &Value, resource: &str, issuer: &str) {
    let text = format!("{report:#}");
    assert_eq!(report["anonymous"]["status"], 401, "{text}");
    let challenge = report["anonymous"]["challenge"].as_str().expect(&text);
    assert!(challenge.starts_with("Bearer "), "{text}");
    assert_eq!(report["metadata"]["named"], true, "{text}");
    let metadata = &report["metadata"]["document"];
    assert_eq!(metadata["resource"], resource, "{text}");
    assert_eq!(metadata["authorization_servers"], json!([issuer]), "{text}");

    assert_eq!(report["list"]["status"], 200, "{text}");
    let listed = report["list"]["result"]["tools"].as_array().expect(&text);
    let names: Vec<_> = listed.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(json!(names), json!(["echo", "whoami"]), "{text}");
    let calls = report["calls"].as_array().expect(&text);
    let results: Vec<_> = calls.iter().map(|call| &call["result"]).collect();
    assert_results(&json!(results), &text);

    for (mode, version, session) in [
        ("2026-07-28", "2026-07-28", false),
        ("legacy", "2025-11-25", true),
    ] {
        let client = &report["client"][mode];
        assert_eq!(client["version"], version, "{text}");
        assert_eq!(client["session"], session, "{text}");
        assert_eq!(client["tools"], json!(["echo", "whoami"]), "{text}");
        assert_results(&client["results"], &text);
    }
}

/// Checks the results of `echo` and `whoami`.
fn assert_results(results: &Value, report: &str) {
    let [echo, whoami] = [0, 1].map(|at| &results[at]["structuredContent"]);
    assert_eq!(echo["text"], "hé 世界", "{report}");
    assert_eq!(whoami["caller"]["subject"], "alice", "{report}");
}

/// Checks the report of a page that cannot use the host: errors only, apart from the metadata, which is public.
fn assert_cannot_use(report: &Value) {
    let text = format!("{report:#}");
    let calls = report["calls"].as_array().expect(&text);
    let fetched = [&report["anonymous"], &report["list"]].into_iter();
    for result in fetched.chain(calls) {
        assert_eq!(result["error"], "TypeError", "{text}");
    }
    for mode in ["2026-07-28", "legacy"] {
        assert!(report["client"][mode]["error"].is_string(), "{text}");
    }
    assert_eq!(report["unasked"]["type"], "opaque", "{text}");
    assert_eq!(report["metadata"]["status"], 200, "{text}");
}

/// A host in this process that records the requests of browsers.
struct Host {
    resource: String,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
    /// Contains the configuration and the log.
    dir: TempDir,
}

/// A request to the MCP endpoint and its response.
#[derive(Clone, Debug)]
struct RecordedRequest {
    origin: String,
    method: Method,
    status: u16,
    /// Whether the browser lets the page read the response.
    is_readable: bool,
}

impl RecordedRequest {
    fn is_preflight(&self) -> bool {
        self.method == Method::OPTIONS
    }
}

impl Host {
    /// Serves `echo` and `whoami` until the test ends.
    async fn start(issuer: &Issuer, allowed_origin: &str) -> Self {
        let listener = listener().await;
        let url = origin(&listener);
        let resource = format!("{url}/mcp");
        let issuer = issuer.url();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("toolcrib.toml");
        let text = format!(
            r#"
            components = ["{EXAMPLES}/echo.wasm"]
            [server]
            public-url = "{url}"
            sessions = true
            allowed-origins = ["{allowed_origin}"]
            [auth]
            issuer = "{issuer}"
            audience = "{resource}"
            "#
        );
        std::fs::write(&file, text).unwrap();
        let overrides = Overrides {
            file: Some(file),
            ..Overrides::default()
        };
        let config = Config::load(&overrides).unwrap();
        // A global subscriber, because guests run on threads of the host.
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(File::create(dir.path().join(LOG_FILE)).unwrap())
            .init();
        let app = App::build(config).await.unwrap();
        let requests = Arc::default();
        let router = app.router().layer(middleware::from_fn_with_state(
            Arc::clone(&requests),
            record,
        ));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            resource,
            requests,
            dir,
        }
    }

    /// Returns the settings of a page, with a token of this subject.
    fn settings(&self, issuer: &Issuer, subject: &str) -> Value {
        let token = issuer.token(|claims| {
            claims["aud"] = json!(self.resource);
            claims["sub"] = json!(subject);
        });
        json!({ "resource": self.resource, "token": token })
    }

    fn requests_of(&self, origin: &str) -> Vec<RecordedRequest> {
        let mut requests = self.requests.lock().unwrap().clone();
        requests.retain(|request| request.origin == origin);
        requests
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(LOG_FILE)).unwrap()
    }
}

/// Middleware that records browser requests to the endpoint.
async fn record(
    State(requests): State<Arc<Mutex<Vec<RecordedRequest>>>>,
    request: Request,
    next: Next,
) -> Response {
    let is_endpoint = request.uri().path() == "/mcp";
    let method = request.method().clone();
    let origin = request.headers().get(ORIGIN).cloned();
    let response = next.run(request).await;
    if is_endpoint && let Some(origin) = origin {
        let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
        requests.lock().unwrap().push(RecordedRequest {
            is_readable: allowed == Some(&origin),
            origin: origin.to_str().unwrap().to_owned(),
            method,
            status: response.status().as_u16(),
        });
    }
    response
}

/// Serves the page on `listener`, opens it in a browser, and returns its report.
async fn visit(listener: TcpListener, settings: &Value) -> Value {
    let url = origin(&listener);
    let (sender, mut receiver) = mpsc::channel(1);
    let settings = settings.clone();
    let page = Router::new()
        .route("/", get(async || file("page.html", "text/html")))
        .route("/page.mjs", get(async || script("page.mjs")))
        .route("/mcp-client.mjs", get(async || script("mcp-client.mjs")))
        .route("/settings", get(async move || settings.to_string()))
        .route(
            "/report",
            post(async move |report: String| {
                let report: Value = serde_json::from_str(&report).unwrap();
                sender.send(report).await.unwrap();
            }),
        );
    let server = tokio::spawn(async move { axum::serve(listener, page).await.unwrap() });
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Command::new(browser())
        .args([
            "--headless",
            // Required to run as root. The page is trusted.
            "--no-sandbox",
            "--disable-gpu",
            // A container's /dev/shm is small.
            "--disable-dev-shm-usage",
            "--no-first-run",
            // No connections except to the test.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .env("TMPDIR", profile.path())
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stderr = browser.stderr.take().unwrap();
    let stderr = tokio::spawn(async move {
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.map(|_| text)
    });
    let report = tokio::select! {
        report = receiver.recv() => report.unwrap(),
        status = browser.wait() => panic!("the browser exited: {status:?}, {:?}", stderr.await),
        () = tokio::time::sleep(BROWSER_TIMEOUT) => panic!("no report within {BROWSER_TIMEOUT:?}"),
    };
    browser.kill().await.unwrap();
    // The pipe closes when the browser's last process exits. Until then they write to the profile directory, and
    // removing it fails.
    let closed = tokio::time::timeout(BROWSER_TIMEOUT, stderr).await;
    closed
        .expect("the browser's processes exit")
        .unwrap()
        .unwrap();
    server.abort();
    report
}

/// Returns the first supported browser in `PATH`.
pub(crate) fn browser() -> &'static str {
    let path: OsString = env::var_os("PATH").unwrap();
    let is_installed = |name: &&str| env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let found = BROWSERS.into_iter().find(is_installed);
    found.expect("tests/clients/setup.sh installs Chromium")
}

fn script(name: &str) -> ([(http::HeaderName, &'static str); 1], String) {
    file(name, "text/javascript")
}

/// Returns a file of the page as a response of this media type.
fn file(name: &str, media_type: &'static str) -> ([(http::HeaderName, &'static str); 1], String) {
    let text = std::fs::read_to_string(format!("{CLIENTS}/browser/{name}")).unwrap();
    ([(CONTENT_TYPE, media_type)], text)
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Returns the origin of a server on this listener.
fn origin(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}
