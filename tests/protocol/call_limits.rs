//! Admission, waiting and refusal of calls, tested on the catalog itself without HTTP and without a clock.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::Poll;

use tempfile::TempDir;
use toolcrib::App;
use toolcrib::auth;
use toolcrib::catalog::{CallPermit, Catalog, Rejection, TargetName};
use toolcrib::config::{Access, Config};

use crate::support::guest::Guest;
use crate::support::server::config;

/// An application with two components, which have the tools `first` and `second`.
async fn app(configure: impl FnOnce(&mut Config)) -> (TempDir, App) {
    let guests = [
        ("first", &Guest::saying("first", "hello")),
        ("second", &Guest::saying("second", "hello")),
    ];
    let (dir, mut config) = config(&guests);
    config.access = Access::Guarded(Box::new(auth::GuardConfig::new(
        "https://tools.example/mcp",
        "https://login.example",
        "https://tools.example/mcp",
    )));
    config.server.public_url = Some("https://tools.example".into());
    configure(&mut config);
    (dir, App::build(config).await.unwrap())
}

/// The admission of a call in progress.
type Admission<'a> = Pin<Box<dyn Future<Output = Result<CallPermit, Rejection>> + Send + 'a>>;

fn admit<'a>(catalog: &'a Catalog, tool: &str, caller: &'a str) -> Admission<'a> {
    let found = catalog.find(&TargetName::Tool(tool.into())).unwrap();
    Box::pin(async move { catalog.admit(&found, caller).await })
}

/// Polls the admission of a call once. Returns `None` if the call waits.
async fn try_admit<'a>(
    catalog: &'a Catalog,
    tool: &str,
    caller: &'a str,
) -> Option<Result<CallPermit, Rejection>> {
    match futures::poll!(admit(catalog, tool, caller)) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn waiting_calls_are_limited_in_total_and_per_caller() {
    for (max_calls, max_calls_per_caller, max_waiting) in [(1, 9, 256), (9, 1, 64)] {
        let (_dir, app) = app(|config| {
            config.server.max_concurrent_calls = max_calls;
            config.server.max_calls_per_caller = Some(max_calls_per_caller);
        })
        .await;
        let catalog = app.catalog();
        let running = try_admit(&catalog, "first", "alice")
            .await
            .unwrap()
            .unwrap();
        // Calls that wait for the server's limit come from different callers.
        let callers: Vec<_> = (0..max_waiting)
            .map(|n| format!("caller{}", n / 60))
            .collect();
        let caller = |n: usize| match max_calls_per_caller {
            1 => "alice",
            _ => callers[n].as_str(),
        };
        let mut calls: Vec<_> = (0..max_waiting)
            .map(|n| admit(&catalog, "first", caller(n)))
            .collect();
        for call in &mut calls {
            assert!(futures::poll!(call).is_pending());
            // A task that never yields runs out of its budget, and everything that it polls is pending.
            tokio::task::yield_now().await;
        }
        let refused = try_admit(&catalog, "first", "alice").await;
        let refused = refused
            .expect("the call waits above the limit")
            .err()
            .unwrap();
        assert_eq!(
            matches!(refused, Rejection::Caller(_)),
            max_calls_per_caller == 1
        );
        // A dropped call makes room for another one to wait.
        calls.pop();
        assert!(try_admit(&catalog, "first", "alice").await.is_none());
        drop(running);
        assert!(matches!(futures::poll!(&mut calls[0]), Poll::Ready(Ok(_))));
    }
}

#[tokio::test]
async fn a_waiting_call_holds_no_permit_that_others_could_use() {
    let (_dir, app) = app(|config| {
        config.server.max_concurrent_calls = 3;
        config.server.max_calls_per_caller = Some(1);
        config.limits.concurrency = 1;
    })
    .await;
    let catalog = app.catalog();
    let _running = try_admit(&catalog, "first", "alice")
        .await
        .unwrap()
        .unwrap();
    // The first waits for the limit of its caller, the second for the limit of its component.
    let mut calls =
        [("second", "alice"), ("first", "bob")].map(|(tool, caller)| admit(&catalog, tool, caller));
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    let result = try_admit(&catalog, "second", "carol").await;
    assert!(result.is_some_and(|result| result.is_ok()));
}

#[tokio::test]
async fn only_idle_callers_are_forgotten_when_there_are_many() {
    let (_dir, app) = app(|config| {
        config.server.max_concurrent_calls = 2;
        config.server.max_calls_per_caller = Some(1);
    })
    .await;
    let catalog = app.catalog();
    let _running = try_admit(&catalog, "first", "alice")
        .await
        .unwrap()
        .unwrap();
    for n in 0..10_001 {
        let caller = n.to_string();
        let result = try_admit(&catalog, "first", &caller).await;
        assert!(result.is_some_and(|result| result.is_ok()), "{n}");
    }
    assert!(try_admit(&catalog, "first", "alice").await.is_none());
}

#[tokio::test]
async fn the_rate_limit_applies_per_caller_and_component() {
    let (_dir, app) = app(|config| config.limits.calls_per_minute = NonZeroU32::new(1)).await;
    let catalog = app.catalog();
    for (tool, caller, is_admitted) in [
        ("first", "alice", true),
        ("first", "alice", false),
        ("first", "bob", true),
        ("second", "alice", true),
        ("second", "bob", true),
        ("second", "alice", false),
    ] {
        let result = try_admit(&catalog, tool, caller).await.unwrap();
        let is_over_limit = matches!(result, Err(Rejection::Rate(_)));
        assert_eq!(
            (result.is_ok(), is_over_limit),
            (is_admitted, !is_admitted),
            "{tool} {caller}"
        );
    }
}
