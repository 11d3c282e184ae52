//! See `src/http_rule.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| toolcrib_fuzz::http_rule::run(input));
