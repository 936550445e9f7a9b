//! Rules against traffic: what fires, whatever the matcher, the prefilter or the segmentation.

mod bypass;
pub(super) mod fixture;
mod packets;
mod streams;
mod transactions;
