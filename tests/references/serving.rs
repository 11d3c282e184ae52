//! Remote components in a running application, and servers that stay silent.

use std::path::Path;

use tokio::sync::watch;
use toolcrib::App;
use toolcrib::config::Config;
use toolcrib::reference::Reference;

use super::{FAILED, check_refused, greeting};
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::server;
use crate::support::web::{Reply, Web};

fn config(references: &[&str]) -> Config {
    let (_, mut config) = server::config(&[]);
    let references = references.iter();
    let references = references.map(|text| Reference::parse(text, Path::new("")).unwrap());
    config.references = references.collect();
    config.allow_unpinned = true;
    config.keep_going = true;
    config
}

fn tools(app: &App) -> Vec<String> {
    let catalog = app.catalog();
    catalog.tools().map(|entry| entry.name.clone()).collect()
}

/// A component that cannot be fetched is a problem that names its reference. A reload tries it again, and leaves the
/// others as they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_fetches_what_could_not_be_fetched() {
    let web = Web::start();
    web.push("1", &greeting("hello"));
    let (served, missing) = (web.oci(":1#greet"), web.url("/x.wasm"));
    let app = App::build(config(&[&served, &missing])).await.unwrap();
    assert_eq!(tools(&app), ["greet"]);
    let before = web.requests().len();
    let problems = app.reload().await;
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected = format!("`{missing}`: `{}` has no such file", web.address);
    assert!(problems[0].contains(&expected), "{problems:?}");
    assert_eq!(web.requests()[before..], ["GET /x.wasm"]);

    let guest = crate::support::guest::Guest::saying("leave", "good bye");
    web.reply("/x.wasm", Reply::new(guest.component()));
    assert!(app.reload().await.is_empty());
    assert_eq!(tools(&app), ["greet", "leave"]);
    // A moved tag is not taken in.
    web.push("1", &greeting("other"));
    let before = web.requests().len();
    assert!(app.reload().await.is_empty());
    assert_eq!(web.requests().len(), before);
}

/// A server that sends nothing, or half of a component, is given up after 30 s.
#[test]
fn silent_servers_are_given_up() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let (_open, gate) = watch::channel(false);
    let half = Reply {
        gate: Some(gate),
        ..Reply::new(greeting("hello"))
    };
    web.reply("/half.wasm", half);
    // Accepts connections, which nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/x.wasm", silent.local_addr().unwrap());
    let half = web.url("/half.wasm");
    let run = |reference: &str| {
        let mut command = toolcrib.command(&["pull", reference]);
        std::thread::spawn(move || CommandOutput::of(&mut command))
    };
    for (reference, running) in [&half, &silent].map(|reference| (reference, run(reference))) {
        let output = running.join().unwrap();
        check_refused(reference, &output, FAILED, &["sent nothing for 30 s"]);
    }
}
