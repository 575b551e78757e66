//! Requests of browsers, tools and Slack.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzzing::request(data));
