//! What was wrong with it.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {}

impl Event {
    pub fn from_name(_name: &str) -> Option<Self> {
        None
    }
}
