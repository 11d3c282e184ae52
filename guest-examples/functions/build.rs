//! Writes the documentation of the WIT as hosts look for it: a custom section, `package-docs`. Bindings and linkers leave
//! it behind.

use std::path::PathBuf;

use wit_parser::{PackageMetadata, Resolve};

fn main() {
    println!("cargo::rerun-if-changed=wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("wit").expect("the WIT is valid");
    let docs = PackageMetadata::extract(&resolve, package).encode().expect("it can be written as JSON");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("package-docs");
    std::fs::write(out, docs).expect("the output directory can be written to");
}
