//! Shapes that bodies are brought into.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(data);
    encoder.finish().unwrap_or_default()
}

pub fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(data);
    encoder.finish().unwrap_or_default()
}

pub fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(data);
    encoder.finish().unwrap_or_default()
}

pub fn br(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(data);
    out
}

pub fn zstd(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(data.len())];
    let length = zstd_safe::compress(&mut out[..], data, 3).unwrap_or(0);
    out.truncate(length);
    out
}

/// A gzip member with every optional field (RFC 1952 section 2.3).
pub fn gzip_with_all_fields(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3];
    out.extend_from_slice(b"\x04\0abcdname\0comment\0\x12\x34");
    out.extend_from_slice(&raw_deflate(data));
    out.extend_from_slice(&[0; 8]);
    out
}

/// Chunks of one byte, each size line written by `size`, and the last one.
pub fn chunks(data: &[u8], size: impl Fn(usize) -> String) -> Vec<u8> {
    chunks_of(data, 1, "\r\n", size)
}

pub fn chunks_of(
    data: &[u8],
    length: usize,
    line_end: &str,
    size: impl Fn(usize) -> String,
) -> Vec<u8> {
    let mut out = Vec::new();
    for part in data.chunks(length) {
        out.extend_from_slice(format!("{}{line_end}", size(part.len())).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(line_end.as_bytes());
    }
    out.extend_from_slice(format!("0{line_end}{line_end}").as_bytes());
    out
}

/// A form with one file.
pub fn form(boundary: &str, disposition: &str, content: &str, line_end: &str) -> Vec<u8> {
    [
        &format!("--{boundary}"),
        disposition,
        "Content-Type: text/plain",
        "",
        content,
        &format!("--{boundary}--"),
        "",
    ]
    .join(line_end)
    .into_bytes()
}

pub fn utf_16(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0xfe];
    out.extend(text.iter().flat_map(|&b| [b, 0]));
    out
}
