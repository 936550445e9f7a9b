//! Bidirectional state of a 5-tuple: key, table, timeouts, eviction.
