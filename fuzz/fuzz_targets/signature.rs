//! See `src/signature.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| toolcrib_fuzz::signature::run(input));
