//! Packets in, verdicts out.
