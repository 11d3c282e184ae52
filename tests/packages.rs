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

/// A program that is linked with the C library of Debian 11 needs no newer one, although functions that it calls have moved
/// since.
#[test]
fn programs_for_an_old_c_library_run_here_and_there() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/packages/glibc.sh");
    let dir = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = CommandOutput::of(command.current_dir(dir.path()).args(arguments));
        assert_eq!(output.status, 0, "{output:#?}");
        output.stdout
    };
    let source = "#include <pthread.h>\n#include <stdio.h>\n\
                  static void *run(void *text) { return text; }\n\
                  int main(void) {\n\
                    pthread_t thread; void *text;\n\
                    pthread_create(&thread, NULL, run, \"joined\");\n\
                    pthread_join(thread, &text);\n\
                    return puts(text) < 0;\n\
                  }\n";
    std::fs::write(dir.path().join("moved.c"), source).unwrap();
    run(script, &["old"]);
    let newest = |compiler: &str| {
        run(compiler, &["-pthread", "-o", "moved", "moved.c"]);
        assert_eq!(run("./moved", &[]), "joined\n");
        let symbols = run("objdump", &["-T", "moved"]);
        let versions = symbols.split("GLIBC_2.").skip(1);
        let versions = versions.map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
            rest[..end].parse::<u32>().unwrap()
        });
        versions.max().unwrap()
    };
    assert!(newest("old/bin/cc") <= 31);
    // `pthread_join` moved in 2.34.
    assert!(newest("cc") >= 34, "this system has an old C library too");
}

/// The build lets the server answer the requests of this script, so that the compiler sees which parts of it are busy.
#[test]
fn the_exercise_of_the_build_is_answered() {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/packages/exercise.py"
    );
    let components = ["echo", "handbook", "jq"].map(|name| format!("{EXAMPLES}/{name}.wasm"));
    let mut command = Command::new(script);
    command.args(["--quick", TOOLCRIB]).args(components);
    let output = CommandOutput::of(&mut command);
    assert_eq!(output.status, 0, "{output:#?}");
}
