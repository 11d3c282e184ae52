//! See `src/component.rs`.

#![no_main]

use std::sync::Once;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // The fuzzer's hook aborts at each panic, but the host contains panics of the WIT decoder on purpose. One that
    // leaves the target still ends the fuzzer.
    static KEEP_RUNNING: Once = Once::new();
    KEEP_RUNNING.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    toolcrib_fuzz::component::run(input);
});
