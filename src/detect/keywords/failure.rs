//! What the failure of a test tells of places that were not tried yet.
//!
//! `content:"="; pcre:"/x+script/R"` on many `=` and no `script`: that the expression finds nothing
//! behind the first `=` says that it finds nothing behind any other. So the work is one search and
//! not one for each place.

/// For which places of the match before a failure holds as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// For this one. Any other may do.
    Here,
    /// For those that end later.
    Later,
    /// For all.
    Anywhere,
}

impl Failure {
    /// Of a test that looks at the same bytes wherever the match before is, or not.
    pub(super) const fn of_fixed(fixed: bool) -> Self {
        if fixed { Self::Anywhere } else { Self::Here }
    }
}

/// How the place where a test starts depends on the place where the first of a run of tests did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Not at all.
    Fixed,
    /// The later the one, the later the other, or as late as before.
    Rising,
    /// In any way.
    Wild,
}

impl Course {
    /// What a failure here tells of the place where the run of tests started.
    pub(super) const fn failed(self, failure: Failure) -> Failure {
        match (self, failure) {
            (Self::Fixed, _) | (_, Failure::Anywhere) => Failure::Anywhere,
            (Self::Rising, failure) => failure,
            (Self::Wild, Failure::Here | Failure::Later) => Failure::Here,
        }
    }

    /// A content was found. From a later place on, the first occurrence is not an earlier one.
    pub(super) const fn behind_content(self, relative: bool) -> Self {
        if relative { self } else { Self::Fixed }
    }

    /// Something else led on: a match of an expression that begins later may be shorter.
    pub(super) const fn behind_other(self, relative: bool) -> Self {
        match self {
            _ if !relative => Self::Fixed,
            Self::Fixed => Self::Fixed,
            Self::Rising | Self::Wild => Self::Wild,
        }
    }
}
