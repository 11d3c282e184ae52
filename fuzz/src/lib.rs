//! The functions that fuzz targets call with one input each. They panic if the host breaks a promise.
//!
//! `cargo fuzz` calls them with inputs that it evolves from `corpus/`. `tests/fuzz_corpus.rs` calls them with the corpus
//! and with random mutations of it, on the stable compiler.

pub mod component;
pub mod configuration;
pub mod http_rule;
pub mod keys;
pub mod message;
pub mod schema;
pub mod signature;
pub mod token;
pub mod wit_types;

/// Asserts that an error message about a client's or a guest's input is a sentence of bounded length.
fn assert_is_sentence(message: &str) {
    assert_is_sentence_about(message, 0);
}

/// Asserts that an error message about the operator's input is a sentence that repeats the input a few times at most,
/// percent-encoded or not.
fn assert_is_sentence_about(message: &str, input_bytes: usize) {
    /// Longest accepted message besides the operator's input. Messages quote clients and guests cut short.
    const MAX_BYTES: usize = 4_096;
    assert!(!message.trim().is_empty(), "an empty error message");
    assert!(
        message.len() <= MAX_BYTES + 12 * input_bytes,
        "an error message of {} bytes",
        message.len()
    );
}
