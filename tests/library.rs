//! The crate as a library: the application's router inside another axum server, and the guard by itself.

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use toolcrib::App;
use toolcrib::auth::{Caller, Guard, GuardConfig, KeySource};
use toolcrib::telemetry::{AuditConfig, AuditOutput};

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::Guest;
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::config;

/// Serves a router until the test ends. Returns its base URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn the_router_can_be_merged_and_nested() {
    let (_dir, config) = config(&[("guest", &Guest::saying("hello", "hello"))]);
    let app = App::build(config).await.unwrap();
    let names: Vec<_> = app
        .catalog()
        .tools()
        .map(|tool| tool.name.clone())
        .collect();
    assert_eq!(names, ["hello"]);

    let own = Router::new().route("/books", get(async || "books"));
    let url = serve(own.merge(app.router()).nest("/below", app.router())).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(
        http.get(format!("{url}/books"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "books"
    );
    for path in ["/mcp", "/mcp/", "/below/mcp"] {
        for revision in Revision::ALL {
            let client = Client::new(&format!("{url}{path}"), revision);
            assert_eq!(
                client.call("hello", json!({})).await.text(),
                "hello",
                "{path}"
            );
        }
    }
    assert_eq!(
        http.get(format!("{url}/nowhere"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(
        http.get(format!("{url}/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn building_without_a_choice_of_access_control_fails() {
    let (_dir, mut config) = config(&[("guest", &Guest::saying("hello", "hello"))]);
    config.access = toolcrib::config::Access::Unset;
    let Err(error) = App::build(config).await else {
        panic!("the application was built");
    };
    assert_eq!(error.problems.len(), 1);
    assert!(error.to_string().contains("who may call"), "{error}");
}

#[tokio::test]
async fn the_guard_protects_any_router() {
    async fn books(Extension(caller): Extension<Arc<Caller>>) -> String {
        format!("the books of {}", caller.subject)
    }
    let issuer = Issuer::start().await;
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let guard = Guard::build(settings).unwrap();
    let router = Router::new()
        .route("/books", get(books))
        .layer(guard.layer())
        .route("/open", get(async || "open"))
        .merge(guard.metadata_router());
    let url = serve(router).await;
    let client = Client::new(&format!("{url}/books"), Revision::July2026);
    let answer = Answer::to(client.bare(reqwest::Method::GET)).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").starts_with("Bearer "));
    // The body is an OAuth error, not a JSON-RPC error.
    assert_eq!(answer.last()["error"], "unauthorized");
    let client = client.with_token(&issuer.token(|_| {}));
    let answer = Answer::to(client.bare(reqwest::Method::GET)).await;
    assert_eq!(answer.body, "the books of alice");
    let open = Client::new(&format!("{url}/open"), Revision::July2026);
    assert_eq!(
        Answer::to(open.bare(reqwest::Method::GET)).await.body,
        "open"
    );
}

/// A server of one's own writes what is left of the audit.
#[tokio::test]
async fn a_mounted_router_writes_its_audit() {
    let (dir, mut config) = config(&[("guest", &Guest::saying("hello", "hello"))]);
    let path = dir.path().join("audit.jsonl");
    config.telemetry.audit = Some(AuditConfig {
        output: AuditOutput::File(path.clone()),
        key: None,
        keep_days: 1,
        has_whole_arguments: false,
        is_required: false,
    });
    let app = App::build(config).await.unwrap();
    let url = serve(app.router()).await;
    let client = Client::new(&format!("{url}/mcp"), Revision::July2026);
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    app.flush().await;
    let text = std::fs::read_to_string(path).unwrap();
    let events: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone())
        .collect();
    assert_eq!(events, ["started", "component", "request", "stopped"]);
}
