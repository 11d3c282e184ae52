//! See `src/wit_types.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| toolcrib_fuzz::wit_types::run(input));
