//! The sandbox by itself: calls of components in this process, without HTTP and without spare instances. This program is
//! compiled once, not for what a run of it counted as the packaged host is.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolcrib::component::{
    Call, ClientFeatures, Component, ComponentBytes, GuestContext, LoadSettings, Outcome, Tool,
};
use toolcrib::engine::{Engine, EngineConfig};
use toolcrib::sandbox::keyvalue::{KeyValueConfig, Store};

use super::median;
use super::support::guest::Guest;

/// Calls of which the median counts, after as many that fill the caches.
const CALLS: usize = 200;

/// Prints the time of a call of a minimal guest, and of the examples that are built.
pub(crate) async fn measure(examples: &Path) {
    println!("\nthe sandbox by itself: one call in a fresh instance, median of {CALLS}");
    println!("{:<24} {:>10} {:>10}", "component", "size, KB", "us");
    let minimal = Guest::saying("minimal", "5").component();
    measure_call("minimal guest", minimal, "minimal", json!({})).await;
    for (file, language, tool, arguments) in [
        ("echo", "Rust", "echo", json!({ "text": "hello" })),
        (
            "calendar",
            "Rust function",
            "is_leap_year",
            json!({ "year": 2026 }),
        ),
        ("qr", "C", "qr_code", json!({ "text": "hello" })),
        (
            "agenda",
            "Go",
            "list_events",
            json!({ "calendar": "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "from": "2026-01-01", "to": "2026-01-02" }),
        ),
        (
            "text",
            "JavaScript",
            "markdown_to_html",
            json!({ "markdown": "# hi *a*" }),
        ),
        ("units", "TypeScript", "list_units", json!({})),
        (
            "table",
            "Python",
            "table_stats",
            json!({ "csv": "a,b\n1,2\n" }),
        ),
    ] {
        if let Ok(bytes) = std::fs::read(examples.join(file).with_extension("wasm")) {
            measure_call(&format!("{file} ({language})"), bytes, tool, arguments).await;
        }
    }
}

async fn measure_call(name: &str, bytes: Vec<u8>, tool: &str, arguments: Value) {
    let size_kb = bytes.len() / 1000;
    let component = load(bytes).await;
    let tool = component.tools.iter().find(|found| found.name == tool);
    let (tool, arguments) = (tool.unwrap(), Arc::new(arguments));
    for _ in 0..CALLS {
        call(&component, tool, &arguments).await;
    }
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let started = Instant::now();
        call(&component, tool, &arguments).await;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    println!(
        "{name:<24} {size_kb:>10} {:>10.1}",
        median(times.into_iter())
    );
}

async fn load(bytes: Vec<u8>) -> Component {
    let mut settings = LoadSettings::default();
    settings.limits.spare_instances = 0;
    let engine = Engine::new(&EngineConfig {
        slots: 1,
        memory_bytes: settings.limits.memory_bytes,
        cache: None,
        cache_max_bytes: 0,
        compiler: None,
        preview3: false,
    });
    let store = Store::new(&KeyValueConfig::default());
    let bytes = ComponentBytes::new(bytes);
    let loaded = Component::load(&engine.unwrap(), "measured", bytes, settings, &store).await;
    loaded.unwrap_or_else(|errors| panic!("{errors:?}"))
}

async fn call(component: &Component, tool: &Tool, arguments: &Arc<Value>) {
    let context = GuestContext {
        id: String::new(),
        client_features: ClientFeatures::default(),
        caller: None,
        events: None,
        cancelled: CancellationToken::new(),
        held: None,
        usage: Arc::default(),
        span: None,
    };
    let call = Call {
        arguments: arguments.clone(),
        answers: Vec::new(),
        state: None,
        context,
    };
    let outcome = component.call(tool, call).await.unwrap();
    assert!(matches!(outcome, Outcome::Complete(result) if !result.is_error));
}
