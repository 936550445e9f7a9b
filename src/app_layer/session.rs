//! Detects the protocol of a flow and feeds its parser.
