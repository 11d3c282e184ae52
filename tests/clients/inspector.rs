//! The Inspector from its command line. It does one thing each time that it is started; it hears of no progress, cancels
//! nothing and has nobody who could answer a question.

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::process::Command;

use super::steps::{self, Comes};
use super::{AT_ONCE, Host};
use crate::issuer::Issuer;
use crate::{CLIENTS, node};

/// What it ends with when a tool has failed.
const FAILED: i32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_does_everything_that_it_can() {
    let issuer = Issuer::start().await;
    let host = Host::start(&issuer, true);
    let token = issuer.token(|_| {});
    let listed = json!({ "do": "tools" });
    let mut runs = vec![(
        "auto",
        listed.clone(),
        Comes::List("name", &["echo", "greet"]),
    )];
    for era in ["legacy", "modern"] {
        let all = steps::calls().into_iter().chain(steps::documents());
        runs.push((era, listed.clone(), Comes::List("name", &["echo", "greet"])));
        runs.extend(all.map(|(todo, comes)| (era, todo, comes)));
    }
    let wrong: Vec<_> = futures::stream::iter(runs)
        .filter(|(_, todo, comes)| {
            let is_heard = !matches!(comes, Comes::Progress(_));
            std::future::ready(is_heard && arguments(todo).is_some())
        })
        .map(|(era, todo, comes)| {
            let (host, token) = (&host, &token);
            async move {
                let seen = run(host, token, era, &todo).await;
                let why = comes.check(&seen).err()?;
                Some(format!("{era}: {todo}: {why}: {seen}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let expired = issuer.token(|claims| claims["exp"] = 1.into());
    let refused = run(&host, &expired, "modern", &listed).await;
    assert!(refused["result"].is_null(), "{refused}");
}

/// The arguments that make it do this; `None` where it cannot.
fn arguments(todo: &Value) -> Option<Vec<String>> {
    let text = |name: &str| todo[name].as_str().unwrap().to_owned();
    let method = |name: &str| vec!["--method".to_owned(), name.to_owned()];
    let mut arguments;
    match todo["do"].as_str().unwrap() {
        "tools" => arguments = method("tools/list"),
        "resources" => arguments = method("resources/list"),
        "templates" => arguments = method("resources/templates/list"),
        "prompts" => arguments = method("prompts/list"),
        // It looks a tool up before it calls it, so that the server is never asked for one that is not there.
        "call" if todo["name"] != "no_such_tool" => {
            arguments = method("tools/call");
            arguments.extend(["--tool-name".into(), text("name")]);
            arguments.extend(["--tool-args-json".into(), todo["arguments"].to_string()]);
        }
        "read" => {
            arguments = method("resources/read");
            arguments.extend(["--uri".into(), text("uri")]);
        }
        "prompt" => {
            arguments = method("prompts/get");
            arguments.extend(["--prompt-name".into(), text("name"), "--prompt-args".into()]);
            let given = todo["arguments"].as_object().unwrap();
            arguments.extend(
                given
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap())),
            );
        }
        _ => return None,
    }
    Some(arguments)
}

/// What it saw, in the form of the other clients.
async fn run(host: &Host, token: &str, era: &str, todo: &Value) -> Value {
    let program = format!(
        "{CLIENTS}/node/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    );
    let output = Command::new(node())
        .args([&program, "--cli", &host.url(), "--transport", "http"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args([
            "--stored-auth-only",
            "--protocol-era",
            era,
            "--format",
            "json",
            "-q",
        ])
        .args(arguments(todo).unwrap())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let Ok(mut printed) = serde_json::from_slice::<Value>(&output.stdout) else {
        return json!({ "failed": said });
    };
    let result = printed["result"].take();
    let is_error = result["isError"] == true;
    assert_eq!(
        output.status.code(),
        Some(if is_error { FAILED } else { 0 }),
        "{todo}: {result}: {said}"
    );
    // It prints a list in the object that it came in.
    let list = ["tools", "resources", "resourceTemplates", "prompts"];
    let result = match list.iter().find_map(|name| result.get(*name)) {
        Some(list) => list.clone(),
        None => result,
    };
    json!({ "result": result })
}
