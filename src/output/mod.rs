//! EVE records, evidence, statistics.
