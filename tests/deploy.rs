//! The files of `deploy/` for containers, systemd and Kubernetes, with the programs that use them. The scripts in `deploy/`
//! of this directory have the tests.

use std::process::Command;

use crate::EXAMPLES;
use crate::addresses::as_root;
use crate::support::command::CommandOutput;
use crate::support::process::TOOLCRIB;

/// Runs a script of `deploy/`, which must succeed and print the line.
fn succeeds(mut command: Command, script: &str, arguments: &[&str], expected: &str) {
    command.arg(format!("{}/deploy/{script}", env!("CARGO_MANIFEST_DIR")));
    let output = CommandOutput::of(command.args(arguments));
    assert!(
        output.status == 0 && output.stdout.starts_with(expected),
        "{script}: {output:#?}"
    );
}

#[test]
fn container_image_serves_as_its_user_and_stops_on_sigterm() {
    let component = format!("{EXAMPLES}/echo.wasm");
    let expected = "container: built, served, stopped";
    succeeds(
        as_root("bash"),
        "container.sh",
        &[TOOLCRIB, &component],
        expected,
    );
}

#[test]
fn systemd_runs_the_hardened_unit() {
    let component = format!("{EXAMPLES}/echo.wasm");
    let expected = "unit: verified";
    succeeds(
        as_root("bash"),
        "systemd.sh",
        &[TOOLCRIB, &component],
        expected,
    );
}

#[test]
fn kubernetes_manifests_and_chart_are_valid() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/system/.venv/bin/python");
    let expected = "chart: 5 renderings valid, 11 faults refused, manifests equal";
    succeeds(Command::new(python), "kubernetes.py", &[TOOLCRIB], expected);
}
