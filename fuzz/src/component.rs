//! The file of a component, loaded without any access.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use toolcrib::component::{Component, ComponentBytes, LoadSettings, MissingImports};
use toolcrib::engine::{Engine, EngineConfig};
use toolcrib::sandbox::Limits;
use toolcrib::sandbox::keyvalue::{KeyValueConfig, Store};

static ENGINE: LazyLock<(Runtime, Engine, Store)> = LazyLock::new(|| {
    let config = EngineConfig {
        slots: 2,
        memory_bytes: 16 << 20,
        cache: None,
        cache_max_bytes: 0,
        compiler: None,
        preview3: false,
    };
    let engine = Engine::new(&config).expect("address space");
    let store = Store::new(&KeyValueConfig::default());
    (Runtime::new().expect("threads"), engine, store)
});

/// Loads a component. If that fails, every error must be a sentence.
pub fn run(input: &[u8]) {
    let limits = Limits {
        memory_bytes: 16 << 20,
        time: Duration::from_secs(2),
        compile: Duration::from_secs(10),
        ..Limits::default()
    };
    let (runtime, engine, store) = &*ENGINE;
    let settings = LoadSettings {
        limits,
        missing_imports: MissingImports::Stub,
        ..LoadSettings::default()
    };
    let load = Component::load(
        engine,
        "fuzzed",
        ComponentBytes::new(input.to_vec()),
        settings,
        store,
    );
    match runtime.block_on(load) {
        Ok(component) => {
            for tool in &component.tools {
                assert!(!tool.name.is_empty(), "a tool without a name");
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal without a reason");
            for error in errors {
                super::assert_is_sentence(&error.to_string());
            }
        }
    }
}
