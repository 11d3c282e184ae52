//! The libraries for authors of tools, `wit/rust` and `wit/python`: their own tests pass.

use std::process::Command;

use crate::support::command::CommandOutput;

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

#[test]
fn the_rust_crate_passes_its_tests() {
    // In release, since building the examples has compiled the macros for it.
    let output = CommandOutput::of(
        Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--locked", "--release"])
            .args(["--target-dir", "../../guest-examples/rust/target"])
            .current_dir(format!("{WIT}/rust")),
    );
    assert_eq!(output.status, 0, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("6 passed"), "{}", output.stdout);
}

#[test]
fn the_python_module_passes_its_tests() {
    let output = CommandOutput::of(
        Command::new("python3")
            .args(["-B", "-m", "unittest", "discover", "-s", "tests"])
            .env("PYTHONPATH", ".")
            .current_dir(format!("{WIT}/python")),
    );
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.ends_with("OK\n"), "{}", output.stderr);
}
