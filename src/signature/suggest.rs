//! "Did you mean".

/// Names less alike than this are no help.
const ALIKE: f64 = 0.75;

/// The candidate most like `name`, if one is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The distance is quadratic in the lengths; no real name is that long.
    if name.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_likeliest_or_nothing() {
        let names = ["content", "contents.x", "offset", "http.uri"];
        assert_eq!(nearest("contnet", names), Some("content"));
        assert_eq!(nearest("htp.uri", names), Some("http.uri"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest(&"c".repeat(10_000), names), None);
    }
}
