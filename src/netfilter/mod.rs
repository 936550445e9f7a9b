//! The kernel rules that bring packets in.
