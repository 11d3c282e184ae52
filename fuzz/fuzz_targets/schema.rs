//! See `src/schema.rs`. Compares the host with `boon` in addition to the library that the host is built on.

#![no_main]

use boon::{Compiler, Draft, ErrorKind, Schemas, ValidationError};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|input: &[u8]| toolcrib_fuzz::schema::run_against(input, boon));

/// Validates a value, or returns `None` if `boon` rejects the schema, or a reference that leads to itself with the same
/// value, which others skip (JSON Schema core, section 9.4.1, leaves both open).
fn boon(schema: &Value, value: &Value) -> Option<bool> {
    const URL: &str = "https://fuzz.example/schema";
    // `boon` divides binary fractions: for it, 0.1 is no multiple of 0.000001.
    if schema.to_string().contains("multipleOf") {
        return None;
    }
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource(URL, schema.clone()).ok()?;
    let mut schemas = Schemas::new();
    let index = compiler.compile(URL, &mut schemas).ok()?;
    match schemas.validate(value, index) {
        Ok(()) => Some(true),
        Err(error) if has_cycle(&error) => None,
        Err(_) => Some(false),
    }
}

fn has_cycle(error: &ValidationError<'_, '_>) -> bool {
    matches!(error.kind, ErrorKind::RefCycle { .. }) || error.causes.iter().any(has_cycle)
}
