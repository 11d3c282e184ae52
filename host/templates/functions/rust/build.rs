//! Writes the WIT documentation to a file, in the format of the custom section `package-docs`.
//!
//! Binding generators and linkers drop the documentation, so `lib.rs` embeds this file.

use std::path::PathBuf;

use wit_parser::{PackageMetadata, Resolve};

fn main() {
    println!("cargo::rerun-if-changed=wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("wit").expect("the WIT is valid");
    let docs = PackageMetadata::extract(&resolve, package).encode().expect("the documentation is serializable");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("package-docs");
    std::fs::write(out, docs).expect("OUT_DIR is writable");
}
