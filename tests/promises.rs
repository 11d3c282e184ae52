//! Tests of the running host, one module per topic. Most serve it in this process over real HTTP; some run the binary.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod support;

mod auth_end_to_end;
mod bad_input;
mod chaos;
mod command_line;
mod compilation;
mod compositions;
mod configuration;
mod contract;
mod documentation;
mod functions;
mod fuzz_corpus;
mod guard;
mod hostile;
mod input_required;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod instructions;
mod kinds;
mod library;
mod mounts;
mod operations;
mod preview3;
mod prompts_resources;
mod protocol;
mod recipes;
mod reconfiguration;
mod references;
mod reload;
mod sandbox;
mod sessions;
mod shared_files;
mod tasks;
mod tidy;
mod tls;
mod token_check;
mod tool_overrides;
mod trust;
