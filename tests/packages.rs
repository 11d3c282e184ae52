//! The packages of `make dist`, made of the binary under test: each is installed in a clean folder, serves and answers a call.
//! The script in `packages/` of this directory has the tests.

use std::process::Command;

use crate::EXAMPLES;
use crate::support::command::CommandOutput;
use crate::support::process::TOOLCRIB;

#[test]
fn packages_install_in_clean_folders_and_serve() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/system/.venv/bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packages/packages.py");
    let component = format!("{EXAMPLES}/echo.wasm");
    let output = CommandOutput::of(Command::new(python).args([script, TOOLCRIB, &component]));
    assert_eq!(output.status, 0, "{output:#?}");
    println!("{}", output.stdout);
}
