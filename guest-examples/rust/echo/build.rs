//! Links the component with a stack of 128 KiB instead of 1 MiB: the host resets the memory of each call, which is fastest
//! up to 192 KiB in all. Not set for the whole workspace, because `jq` recurses deeper.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=131072");
    }
}
