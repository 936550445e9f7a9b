//! One TOML file; each room owns its section.
