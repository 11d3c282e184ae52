//! The fuzz targets (`fuzz/`) on the stable compiler: each one runs over its seed corpus and over random mutations of
//! it. The seeds of the mutations are fixed, so every run tests the same.

pub(crate) mod mutate;
#[path = "../fuzz/src/lib.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "the targets are public for `cargo fuzz`"
)]
mod targets;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::rng::Rng;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");

/// Number of mutated inputs of one target.
const MUTATIONS: usize = 4_000;
/// Time after which no further input is tried, for slow machines.
const MAX_TIME: Duration = Duration::from_secs(20);
/// Time that one input may take on a busy machine with a build for development. An input that takes longer would stop
/// a server with an optimised build for about a second.
const MAX_INPUT_TIME: Duration = Duration::from_secs(15);

/// Returns the seed corpus of a target, in the order of the file names.
pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(FUZZ).join("corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Runs a target over a corpus, then over mutations of it. Returns the first input that it fails with.
fn find_failure(corpus: &[Vec<u8>], input_file: &Path, target: fn(&[u8])) -> Option<Vec<u8>> {
    let started = Instant::now();
    let mut rng = Rng::new(1);
    let mutations = (0..MUTATIONS)
        .take_while(|_| started.elapsed() < MAX_TIME)
        .map(|_| mutate::mutated(&mut rng, corpus));
    for input in corpus.iter().cloned().chain(mutations) {
        // For an input that ends the process.
        std::fs::write(input_file, &input).unwrap();
        let input_started = Instant::now();
        let is_failure = catch_unwind(AssertUnwindSafe(|| target(&input))).is_err();
        if is_failure || input_started.elapsed() > MAX_INPUT_TIME {
            return Some(input);
        }
    }
    None
}

/// Returns the file with the last input of a target.
fn input_file(target: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(target)
}

/// Asserts that a target fails with no input. The failing input remains in a file.
fn assert_never_fails(target: &str, run: fn(&[u8])) {
    let file = input_file(target);
    if let Some(input) = find_failure(&corpus(target), &file, run) {
        panic!(
            "the target fails or takes too long with the input in {}:\n{}",
            file.display(),
            input.escape_ascii()
        );
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        const TARGETS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            assert_never_fails(stringify!($name), targets::$name::run);
        })*
    };
}

targets!(
    component,
    configuration,
    http_rule,
    keys,
    message,
    schema,
    signature,
    token,
    wit_types
);

/// The mutations reach an input that no seed is, and its failure is reported.
#[test]
fn a_failing_input_is_found() {
    fn panics_at_a_list(input: &[u8]) {
        assert!(!input.starts_with(b"[["), "a list of lists");
    }
    fn accepts_everything(_: &[u8]) {}
    let corpus = [b"[1]".to_vec(), b"{}".to_vec()];
    let file = input_file("self-test");
    let found = find_failure(&corpus, &file, panics_at_a_list).unwrap();
    assert!(found.starts_with(b"[["), "{}", found.escape_ascii());
    assert_eq!(std::fs::read(&file).unwrap(), found);
    assert_eq!(find_failure(&corpus, &file, accepts_everything), None);
}

/// Each target has a program for `cargo fuzz`, a seed corpus and a test.
#[test]
fn every_target_is_tested() {
    let tested: BTreeSet<String> = TARGETS.iter().map(ToString::to_string).collect();
    let names = |directory: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(Path::new(FUZZ).join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
        names.collect()
    };
    assert_eq!(names("fuzz_targets"), tested);
    assert_eq!(names("corpus"), tested);
    let manifest = std::fs::read_to_string(Path::new(FUZZ).join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")));
        assert!(!corpus(target).is_empty(), "{target} has no seed");
    }
}
