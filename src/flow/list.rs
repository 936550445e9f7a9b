//! Doubly linked lists threaded through the slab: least recently used first.

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// A slot's neighbours in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            before: NONE,
            after: NONE,
        }
    }
}

/// Whatever has links by slot number.
pub(super) trait Linked {
    fn links(&mut self, slot: u32) -> Option<&mut Links>;
}

/// One list; `oldest` is the first to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub oldest: u32,
    newest: u32,
    pub len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self {
            oldest: NONE,
            newest: NONE,
            len: 0,
        }
    }
}

impl List {
    pub fn push_newest(&mut self, slots: &mut impl Linked, slot: u32) {
        if let Some(links) = slots.links(slot) {
            *links = Links {
                before: self.newest,
                after: NONE,
            };
        }
        match slots.links(self.newest) {
            Some(links) => links.after = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.len += 1;
    }

    pub fn remove(&mut self, slots: &mut impl Linked, slot: u32) {
        let Some(&mut Links { before, after }) = slots.links(slot) else {
            return;
        };
        match slots.links(before) {
            Some(links) => links.after = after,
            None => self.oldest = after,
        }
        match slots.links(after) {
            Some(links) => links.before = before,
            None => self.newest = before,
        }
        self.len -= 1;
    }
}
