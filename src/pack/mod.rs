//! Virtual patches and the packs they come in.
