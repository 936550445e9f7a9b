//! Packets built from a readable scenario and run through a pipeline.
