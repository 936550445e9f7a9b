//! Rules against traffic: what fires, whatever the matcher, the prefilter or the segmentation.

mod bypass;
mod fixture;
mod packets;
mod streams;
mod transactions;
