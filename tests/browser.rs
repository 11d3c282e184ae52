//! A web page in a real browser: one of a listed origin uses the host as any client does, and one of another origin can
//! neither read an answer nor make a guest run, though it has a good token.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
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

/// The longest that a browser may take to start, to use the host, and to report: it needs two seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The browsers that will do; `clients/setup.sh` installs the first where there is none.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The host's log, in its directory.
const LOG: &str = "log";

/// What the guest of `whoami` logs, once each time that it runs.
const RUN: &str = "whoami was asked";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_listed_origin_can_use_the_host_and_no_other_page_can() {
    let issuer = Issuer::start().await;
    let (listed, unlisted) = (listener().await, listener().await);
    let host = Host::start(&issuer, &origin(&listed)).await;

    let other = origin(&unlisted);
    let report = visit(unlisted, &host.settings(&issuer, "mallory")).await;
    cannot_use(&report);
    let log = host.log();
    assert!(!log.contains(RUN) && !log.contains("mallory"), "{log}");
    let requests = host.requests_of(&other);
    assert!(!requests.is_empty());
    for request in &requests {
        assert_eq!(request.status, 403, "{requests:#?}");
        assert!(!request.is_readable, "{requests:#?}");
    }
    // Only the one that no browser asks for went beyond the question.
    let beyond = requests.iter().filter(|request| !request.is_preflight());
    assert_eq!(beyond.count(), 1, "{requests:#?}");

    let own = origin(&listed);
    let report = visit(listed, &host.settings(&issuer, "alice")).await;
    can_use(&report, &host.resource, issuer.url());
    // By fetch, and by the client in two revisions.
    let log = host.log();
    assert_eq!(log.matches(RUN).count(), 3, "{log}");
    let requests = host.requests_of(&own);
    assert!(requests.iter().any(Seen::is_preflight));
    for request in &requests {
        assert!(request.is_readable, "{requests:#?}");
    }
}

/// What the page of a listed origin reports.
fn can_use(report: &Value, resource: &str, issuer: &str) {
    let of = format!("{report:#}");
    assert_eq!(report["anonymous"]["status"], 401, "{of}");
    let challenge = report["anonymous"]["challenge"].as_str().expect(&of);
    assert!(challenge.starts_with("Bearer "), "{of}");
    assert_eq!(report["metadata"]["named"], true, "{of}");
    let document = &report["metadata"]["document"];
    assert_eq!(document["resource"], resource, "{of}");
    assert_eq!(document["authorization_servers"], json!([issuer]), "{of}");

    assert_eq!(report["list"]["status"], 200, "{of}");
    let listed = report["list"]["result"]["tools"].as_array().expect(&of);
    let names: Vec<_> = listed.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(json!(names), json!(["echo", "whoami"]), "{of}");
    let calls = report["calls"].as_array().expect(&of);
    let results: Vec<_> = calls.iter().map(|call| &call["result"]).collect();
    has_called(&json!(results), &of);

    for (mode, version, session) in [
        ("2026-07-28", "2026-07-28", false),
        ("legacy", "2025-11-25", true),
    ] {
        let client = &report["client"][mode];
        assert_eq!(client["version"], version, "{of}");
        assert_eq!(client["session"], session, "{of}");
        assert_eq!(client["tools"], json!(["echo", "whoami"]), "{of}");
        has_called(&client["results"], &of);
    }
}

/// The results of `echo` and of `whoami`.
fn has_called(results: &Value, of: &str) {
    let [echo, whoami] = [0, 1].map(|at| &results[at]["structuredContent"]);
    assert_eq!(echo["text"], "hé 世界", "{of}");
    assert_eq!(whoami["caller"]["subject"], "alice", "{of}");
}

/// What the page of another origin reports: nothing but errors, and the metadata, which is for everybody.
fn cannot_use(report: &Value) {
    let of = format!("{report:#}");
    let calls = report["calls"].as_array().expect(&of);
    let fetched = [&report["anonymous"], &report["list"]].into_iter();
    for seen in fetched.chain(calls) {
        assert_eq!(seen["error"], "TypeError", "{of}");
    }
    for mode in ["2026-07-28", "legacy"] {
        assert!(report["client"][mode]["error"].is_string(), "{of}");
    }
    assert_eq!(report["unasked"]["type"], "opaque", "{of}");
    assert_eq!(report["metadata"]["status"], 200, "{of}");
}

/// The host in this process, and what it was asked.
struct Host {
    resource: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Of the configuration, and of the log.
    dir: TempDir,
}

/// A request for the MCP endpoint, and how it was answered.
#[derive(Clone, Debug)]
struct Seen {
    origin: String,
    method: Method,
    status: u16,
    /// Whether the browser lets the page read the answer.
    is_readable: bool,
}

impl Seen {
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
        // For the whole process: guests run on threads of the host's own.
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(File::create(dir.path().join(LOG)).unwrap())
            .init();
        let app = App::build(config).await.unwrap();
        let seen = Arc::default();
        let router = app
            .router()
            .layer(middleware::from_fn_with_state(Arc::clone(&seen), note));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            resource,
            seen,
            dir,
        }
    }

    /// What a page is told, with a token of this subject.
    fn settings(&self, issuer: &Issuer, subject: &str) -> Value {
        let token = issuer.token(|claims| {
            claims["aud"] = json!(self.resource);
            claims["sub"] = json!(subject);
        });
        json!({ "resource": self.resource, "token": token })
    }

    fn requests_of(&self, origin: &str) -> Vec<Seen> {
        let mut requests = self.seen.lock().unwrap().clone();
        requests.retain(|request| request.origin == origin);
        requests
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(LOG)).unwrap()
    }
}

/// Notes what a browser asks of the endpoint.
async fn note(State(seen): State<Arc<Mutex<Vec<Seen>>>>, request: Request, next: Next) -> Response {
    let is_endpoint = request.uri().path() == "/mcp";
    let method = request.method().clone();
    let origin = request.headers().get(ORIGIN).cloned();
    let response = next.run(request).await;
    if is_endpoint && let Some(origin) = origin {
        let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
        seen.lock().unwrap().push(Seen {
            is_readable: allowed == Some(&origin),
            origin: origin.to_str().unwrap().to_owned(),
            method,
            status: response.status().as_u16(),
        });
    }
    response
}

/// Serves the page here, opens it in a browser, and returns what it reports.
async fn visit(listener: TcpListener, settings: &Value) -> Value {
    let url = origin(&listener);
    let (report, mut reported) = mpsc::channel(1);
    let settings = settings.clone();
    let page = Router::new()
        .route("/", get(async || file("page.html", "text/html")))
        .route("/page.mjs", get(async || script("page.mjs")))
        .route("/mcp-client.mjs", get(async || script("mcp-client.mjs")))
        .route("/settings", get(async move || Json(settings)))
        .route(
            "/report",
            post(async move |Json(seen): Json<Value>| report.send(seen).await.unwrap()),
        );
    let server = tokio::spawn(async move { axum::serve(listener, page).await.unwrap() });
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Command::new(browser())
        .args([
            "--headless",
            // As root it starts only without; the page is the test's own.
            "--no-sandbox",
            "--disable-gpu",
            // A container's /dev/shm is small.
            "--disable-dev-shm-usage",
            "--no-first-run",
            // It talks to nobody but the test.
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
    let said = tokio::spawn(async move {
        let mut said = String::new();
        stderr.read_to_string(&mut said).await.map(|_| said)
    });
    let report = tokio::select! {
        report = reported.recv() => report.unwrap(),
        ended = browser.wait() => panic!("the browser ended: {ended:?}, {:?}", said.await),
        () = tokio::time::sleep(PATIENCE) => panic!("no report in {PATIENCE:?}"),
    };
    browser.kill().await.unwrap();
    // Its last process closes the pipe. Until then they write to the profile, which could not be removed.
    let closed = tokio::time::timeout(PATIENCE, said).await;
    closed
        .expect("the browser's processes end")
        .unwrap()
        .unwrap();
    server.abort();
    report
}

/// The first of the browsers that is on this machine.
fn browser() -> &'static str {
    let path: OsString = env::var_os("PATH").unwrap();
    let is_here = |name: &&str| env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let found = BROWSERS.into_iter().find(is_here);
    found.expect("tests/clients/setup.sh installs Chromium")
}

fn script(name: &str) -> ([(http::HeaderName, &'static str); 1], String) {
    file(name, "text/javascript")
}

/// A file of the page, with its type.
fn file(name: &str, kind: &'static str) -> ([(http::HeaderName, &'static str); 1], String) {
    let text = std::fs::read_to_string(format!("{CLIENTS}/browser/{name}")).unwrap();
    ([(CONTENT_TYPE, kind)], text)
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// The origin of what is served here.
fn origin(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}
