//! Settings of `[telemetry]` that cannot be used: one sentence at the start.

use std::net::TcpListener;

use super::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_used_end_the_start() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("metrics = \"{}\"", busy.local_addr().unwrap());
    let server = Server::new("").await;
    server.toolcrib.file("text.jsonl", "no record\n");
    let text = |text: &str| text.to_owned();
    for (telemetry, status, message) in [
        (
            text("audit = \"no/such/dir/a.jsonl\""),
            2,
            "`telemetry.audit` names",
        ),
        (
            text("audit = \"text.jsonl\""),
            2,
            "its last line is not an audit record",
        ),
        (text("audit = \".\""), 2, "`telemetry.audit` names"),
        (
            text("audit = \"\""),
            2,
            "`telemetry.audit` must be the path of a file",
        ),
        (text("audit = 1"), 2, "`telemetry.audit` must be"),
        (
            text("audit-key = \"short\"\naudit = \"a\""),
            2,
            "less than 32 bytes",
        ),
        (
            text("audit-arguments = \"some\"\naudit = \"a\""),
            2,
            "\"hash\" or \"whole\"",
        ),
        (
            text("audit-required = true"),
            2,
            "`telemetry.audit-required` needs `audit`",
        ),
        (
            text("otlp = \"collector:4318\""),
            2,
            "`telemetry.otlp` must be",
        ),
        (
            text("otlp = \"http://user:secret@collector:4318\""),
            2,
            "`telemetry.otlp` must be",
        ),
        (
            text("otlp = \"http://127.0.0.1:1\"\ntrace-sample = 1.5"),
            2,
            "`telemetry.trace-sample` must be a number from 0 to 1",
        ),
        (
            text("trace-sample = 0.5"),
            2,
            "`telemetry.trace-sample` needs `otlp`",
        ),
        (
            text("audit-days = 0\naudit = \"a\""),
            2,
            "`telemetry.audit-days`",
        ),
        (
            text("log-file = \"no/such/dir/x.log\""),
            1,
            "`telemetry.log-file` names",
        ),
        (
            text("log-file = \"x\"\naudit = \"x\""),
            2,
            "give it one of its own",
        ),
        (metrics, 1, "cannot listen on `telemetry.metrics`"),
        (
            text("metrics = \"everywhere\""),
            2,
            "`telemetry.metrics` must be an address",
        ),
        (
            text("metric = \"127.0.0.1:1\""),
            2,
            "did you mean `metrics`?",
        ),
    ] {
        server.configure(&telemetry);
        let arguments = ["serve", "--config", "c.toml", "--listen", "127.0.0.1:0"];
        let output = server.toolcrib.run(&arguments);
        assert_eq!(output.status, status, "{telemetry}: {output:?}");
        let errors: Vec<_> = output
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{telemetry}: {output:?}");
        assert!(errors[0].contains(message), "{telemetry}: {output:?}");
    }
}

/// Two servers with one audit file would break its chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_file_has_one_writer() {
    let server = Server::new("audit = \"audit.jsonl\"").await;
    let _first = server.start(|_| {});
    let output = server.command().output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("another process writes it"), "{error}");
}
