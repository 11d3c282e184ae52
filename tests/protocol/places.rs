//! Who gets a place for a call, and who waits for one: asked of the catalog itself, which needs no clock.

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

/// An application with the tools `first` and `second` of two components.
async fn app(change: impl FnOnce(&mut Config)) -> (TempDir, App) {
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
    change(&mut config);
    (dir, App::build(config).await.unwrap())
}

/// A call on its way to its place.
type Admitting<'a> = Pin<Box<dyn Future<Output = Result<CallPermit, Rejection>> + Send + 'a>>;

fn admitting<'a>(catalog: &'a Catalog, tool: &str, caller: &'a str) -> Admitting<'a> {
    let found = catalog.find(&TargetName::Tool(tool.into())).unwrap();
    Box::pin(async move { catalog.admit(&found, caller).await })
}

/// What a call gets at once; `None` where it waits.
async fn at_once<'a>(
    catalog: &'a Catalog,
    tool: &str,
    caller: &'a str,
) -> Option<Result<CallPermit, Rejection>> {
    match futures::poll!(admitting(catalog, tool, caller)) {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

/// So many wait, so many of them of one caller; the next one is refused at once.
#[tokio::test]
async fn waiting() {
    for (places, of_caller, waiting) in [(1, 9, 256), (9, 1, 64)] {
        let (_dir, app) = app(|config| {
            config.server.max_concurrent_calls = places;
            config.server.max_calls_per_caller = Some(of_caller);
        })
        .await;
        let catalog = app.catalog();
        let running = at_once(&catalog, "first", "alice").await.unwrap().unwrap();
        // Those who wait for everybody's place are not all of one caller.
        let callers: Vec<_> = (0..waiting).map(|n| format!("caller{}", n / 60)).collect();
        let caller = |n: usize| match of_caller {
            1 => "alice",
            _ => callers[n].as_str(),
        };
        let mut calls: Vec<_> = (0..waiting)
            .map(|n| admitting(&catalog, "first", caller(n)))
            .collect();
        for call in &mut calls {
            assert!(futures::poll!(call).is_pending());
        }
        let refused = at_once(&catalog, "first", "alice").await;
        let refused = refused.expect("one more waits").err().unwrap();
        assert_eq!(matches!(refused, Rejection::Caller(_)), of_caller == 1);
        // Who goes makes room to wait.
        calls.pop();
        assert!(at_once(&catalog, "first", "alice").await.is_none());
        drop(running);
        assert!(matches!(futures::poll!(&mut calls[0]), Poll::Ready(Ok(_))));
    }
}

/// A call that waits holds nothing that others could use.
#[tokio::test]
async fn nothing_is_held() {
    let (_dir, app) = app(|config| {
        config.server.max_concurrent_calls = 3;
        config.server.max_calls_per_caller = Some(1);
        config.limits.concurrency = 1;
    })
    .await;
    let catalog = app.catalog();
    let _running = at_once(&catalog, "first", "alice").await.unwrap().unwrap();
    // One waits for its caller's place, the other for its component's.
    let mut calls = [("second", "alice"), ("first", "bob")]
        .map(|(tool, caller)| admitting(&catalog, tool, caller));
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    let ended = at_once(&catalog, "second", "carol").await;
    assert!(ended.is_some_and(|ended| ended.is_ok()));
}

/// Callers at rest are forgotten when there are many, and no others.
#[tokio::test]
async fn many_callers() {
    let (_dir, app) = app(|config| {
        config.server.max_concurrent_calls = 2;
        config.server.max_calls_per_caller = Some(1);
    })
    .await;
    let catalog = app.catalog();
    let _running = at_once(&catalog, "first", "alice").await.unwrap().unwrap();
    for n in 0..10_001 {
        let caller = n.to_string();
        let ended = at_once(&catalog, "first", &caller).await;
        assert!(ended.is_some_and(|ended| ended.is_ok()), "{n}");
    }
    assert!(at_once(&catalog, "first", "alice").await.is_none());
}

/// Each caller has calls of its own in a minute, of each component.
#[tokio::test]
async fn rates() {
    let (_dir, app) = app(|config| config.limits.calls_per_minute = NonZeroU32::new(1)).await;
    let catalog = app.catalog();
    for (tool, caller, is_first) in [
        ("first", "alice", true),
        ("first", "alice", false),
        ("first", "bob", true),
        ("second", "alice", true),
        ("second", "bob", true),
        ("second", "alice", false),
    ] {
        let ended = at_once(&catalog, tool, caller).await.unwrap();
        let is_over = matches!(ended, Err(Rejection::Rate(_)));
        assert_eq!(
            (ended.is_ok(), is_over),
            (is_first, !is_first),
            "{tool} {caller}"
        );
    }
}
