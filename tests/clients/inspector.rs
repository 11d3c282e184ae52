//! The MCP Inspector's command line. Each run executes one step, without progress, cancellation or answers to
//! questions.

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::process::Command;

use super::steps::{self, Outcome};
use super::{CONCURRENT_CLIENTS, Host};
use crate::issuer::Issuer;
use crate::{CLIENTS, node};

/// The Inspector's exit code for an error result of a tool.
const TOOL_ERROR_EXIT_CODE: i32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_can_use_every_feature_it_supports() {
    let issuer = Issuer::start().await;
    let host = Host::start(&issuer, true);
    let token = issuer.token(|_| {});
    let list_step = json!({ "do": "tools" });
    let mut runs = vec![(
        "auto",
        list_step.clone(),
        Outcome::List("name", &["echo", "greet"]),
    )];
    for era in ["legacy", "modern"] {
        let all = steps::calls()
            .into_iter()
            .chain(steps::resources_and_prompts());
        runs.push((
            era,
            list_step.clone(),
            Outcome::List("name", &["echo", "greet"]),
        ));
        runs.extend(all.map(|(step, outcome)| (era, step, outcome)));
    }
    let failures: Vec<_> = futures::stream::iter(runs)
        .filter(|(_, step, outcome)| {
            let needs_progress = matches!(outcome, Outcome::Progress(_));
            std::future::ready(!needs_progress && arguments(step).is_some())
        })
        .map(|(era, step, outcome)| {
            let (host, token) = (&host, &token);
            async move {
                let observation = run(host, token, era, &step).await;
                let reason = outcome.check(&observation).err()?;
                Some(format!("{era}: {step}: {reason}: {observation}"))
            }
        })
        .buffer_unordered(CONCURRENT_CLIENTS)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    let expired = issuer.token(|claims| claims["exp"] = 1.into());
    let refused = run(&host, &expired, "modern", &list_step).await;
    assert!(refused["result"].is_null(), "{refused}");
}

/// Returns the command line arguments for a step, or `None` if the Inspector does not support it.
fn arguments(step: &Value) -> Option<Vec<String>> {
    let text = |name: &str| step[name].as_str().unwrap().to_owned();
    let method = |name: &str| vec!["--method".to_owned(), name.to_owned()];
    let mut arguments;
    match step["do"].as_str().unwrap() {
        "tools" => arguments = method("tools/list"),
        "resources" => arguments = method("resources/list"),
        "templates" => arguments = method("resources/templates/list"),
        "prompts" => arguments = method("prompts/list"),
        // The Inspector looks a tool up before it calls it, so it never sends the call of an unknown tool.
        "call" if step["name"] != "no_such_tool" => {
            arguments = method("tools/call");
            arguments.extend(["--tool-name".into(), text("name")]);
            arguments.extend(["--tool-args-json".into(), step["arguments"].to_string()]);
        }
        "read" => {
            arguments = method("resources/read");
            arguments.extend(["--uri".into(), text("uri")]);
        }
        "prompt" => {
            arguments = method("prompts/get");
            arguments.extend(["--prompt-name".into(), text("name"), "--prompt-args".into()]);
            let values = step["arguments"].as_object().unwrap();
            arguments.extend(
                values
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap())),
            );
        }
        _ => return None,
    }
    Some(arguments)
}

/// Runs a step and returns the observation in the format of the other clients.
async fn run(host: &Host, token: &str, era: &str, step: &Value) -> Value {
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
        .args(arguments(step).unwrap())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let Ok(mut printed) = serde_json::from_slice::<Value>(&output.stdout) else {
        return json!({ "failed": stderr });
    };
    let result = printed["result"].take();
    let is_error = result["isError"] == true;
    assert_eq!(
        output.status.code(),
        Some(if is_error { TOOL_ERROR_EXIT_CODE } else { 0 }),
        "{step}: {result}: {stderr}"
    );
    // The other clients return the list without the result object around it.
    let lists = ["tools", "resources", "resourceTemplates", "prompts"];
    let result = match lists.iter().find_map(|name| result.get(*name)) {
        Some(list) => list.clone(),
        None => result,
    };
    json!({ "result": result })
}
