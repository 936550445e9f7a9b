//! Builds, tests and swaps rulesets off the data path.
