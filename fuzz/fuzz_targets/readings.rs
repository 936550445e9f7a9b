#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stopgap_fuzz::readings(data));
