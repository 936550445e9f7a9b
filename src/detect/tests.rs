//! Rules against traffic: what fires, whatever the matcher, the prefilter or the segmentation.

mod fixture;
mod packets;
mod streams;
mod transactions;
