//! Transactions of the one parser that a flow has.

/// By what its parser is. A chain of all four would ask each for every transaction.
pub(super) enum OneOf<A, B, C, D> {
    Http1(A),
    Http2(B),
    Tls(C),
    Message(D),
    None,
}

impl<T, A, B, C, D> Iterator for OneOf<A, B, C, D>
where
    A: Iterator<Item = T>,
    B: Iterator<Item = T>,
    C: Iterator<Item = T>,
    D: Iterator<Item = T>,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Http1(one) => one.next(),
            Self::Http2(one) => one.next(),
            Self::Tls(one) => one.next(),
            Self::Message(one) => one.next(),
            Self::None => None,
        }
    }
}
