//! The build steps of a C component that a C compiler does not perform: bindings for the WIT, and the conversion of a
//! core module to a component. It also generates the bindings for Go, which `wit/go` has a copy of.
//!
//! `wit-bindgen c`, `wit-bindgen go` and `wasm-tools component new` do the same with the same libraries. This program contains only the
//! parts that the examples need, and compiles in a tenth of the time.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_core::wit_parser::Resolve;
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bindings", wit, world, directory] => {
            bindings(wit_bindgen_c::Opts::default().build(), Path::new(wit), world, Path::new(directory))
        }
        ["go-bindings", wit, world, directory] => {
            let package = Some("toolcrib/bindings".to_owned());
            let options = wit_bindgen_go::Opts { pkg_name: package, ..wit_bindgen_go::Opts::default() };
            bindings(options.build(), Path::new(wit), world, Path::new(directory))
        }
        ["component", module, output] => component(Path::new(module), Path::new(output)),
        _ => bail!("usage: componentize bindings WIT WORLD DIRECTORY | go-bindings WIT WORLD DIRECTORY | component MODULE OUTPUT"),
    }
}

/// Writes the bindings of a world in `wit`. Those for C are a header, a source file, and an object file with the component's
/// types.
fn bindings(mut generator: Box<dyn WorldGenerator>, wit: &Path, world: &str, directory: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    for (name, contents) in files.iter() {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Converts a core module that was linked with the bindings to a component.
///
/// If the module calls WASI preview 1, as C libraries do, the adapter to WASI 0.2 is added. Otherwise, the component
/// gets no WASI imports.
fn component(module: &Path, output: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()?;
    fs::write(output, encoded).with_context(|| format!("cannot write {}", output.display()))
}
