//! Subcommands, tables, diagnostics.
