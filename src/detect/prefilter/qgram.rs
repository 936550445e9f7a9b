//! Rare q-grams in a bitmap, then confirmation.
//!
//! Patterns are split by length among a few tables; a long pattern allows a
//! long stride, and with it few looks at the haystack. Short ones, where they
//! are few, go by sets of bytes instead, which is cheaper than a look at a
//! bitmap for every position.

use super::gram::Gram;
use super::short::SingleBytes;
use super::store::{Scan, Store};
use super::table::{Shape, Table, suits};
use super::teddy::{self, Teddy};
use super::{Pattern, PatternId, Scratch};

#[derive(Debug)]
pub(super) struct QGram {
    store: Store,
    tables: Vec<Table>,
    few: Option<Box<Teddy>>,
    single: Option<SingleBytes>,
    #[cfg(target_arch = "x86_64")]
    avx2: Option<super::avx2::Avx2>,
}

/// The tables there can be, the one for the longest patterns first.
const SHAPES: [Shape; 4] = [
    Shape {
        width: 4,
        stride: 4,
    },
    Shape {
        width: 4,
        stride: 1,
    },
    Shape {
        width: 3,
        stride: 1,
    },
    Shape {
        width: 2,
        stride: 1,
    },
];

/// Bytes from which on a pattern can stand in the first table.
const LONG: usize = SHAPES[0].shortest();
/// Up to so many patterns long ones stand with the short: a second look at the haystack, though with
/// a stride, would cost more than what they add to the sets.
const SO_FEW: usize = 48;
/// So many patterns cause few false candidates, even if their grams are met often.
const FEW: usize = 1_500;

impl QGram {
    /// `None` where the patterns exceed 4 GiB.
    pub(super) fn build(patterns: &[Pattern]) -> Option<Self> {
        let store = Store::build(patterns)?;
        let mut ids: Vec<Vec<u32>> = vec![Vec::new(); SHAPES.len()];
        let mut single = Vec::new();
        let picky = patterns.len() > FEW || patterns.iter().any(|p| p.bytes.len() < LONG);
        for (id, pattern) in (0u32..).zip(patterns) {
            match (home(&pattern.bytes, picky), pattern.bytes.first()) {
                (Some(shape), _) => ids[shape].push(id),
                (None, Some(&byte)) => single.push((id, byte, pattern.nocase)),
                (None, None) => {}
            }
        }
        let few = choose_few(&mut ids);
        let tables = SHAPES
            .iter()
            .zip(&ids)
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(shape, ids)| Table::build(patterns, ids, *shape))
            .collect();
        Some(Self {
            store,
            tables,
            few: Teddy::build(patterns, &few).map(Box::new),
            single: SingleBytes::build(&single),
            #[cfg(target_arch = "x86_64")]
            avx2: super::avx2::Avx2::detect(),
        })
    }

    /// The same without instructions that not every processor has.
    pub(super) fn build_portable(patterns: &[Pattern]) -> Option<Self> {
        Some(Self {
            #[cfg(target_arch = "x86_64")]
            avx2: None,
            ..Self::build(patterns)?
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(Table::memory_bytes).sum();
        let single = self.single.as_ref().map_or(0, SingleBytes::memory_bytes);
        let few = self.few.as_ref().map_or(0, |few| few.memory_bytes());
        self.store.memory_bytes() + tables + few + single
    }

    pub(super) fn scan(
        &self,
        scan: Scan<'_>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        for table in &self.tables {
            let mut candidate = |position, gram| {
                table.confirm(&self.store, scan, position, gram, scratch, found);
            };
            let first = table.first_position(scan.from);
            self.look(table, scan.haystack, first, &mut candidate);
        }
        if let Some(few) = &self.few {
            let mut candidate = |position, passing| {
                few.confirm(&self.store, scan, position, passing, scratch, found);
            };
            let first = few.first_position(scan.from);
            self.look_for_few(few, scan.haystack, first, &mut candidate);
        }
        if let Some(single) = &self.single {
            single.scan(scan, scratch, found);
        }
    }

    /// Looks at positions from `first` on by the best means that the processor has.
    fn look(
        &self,
        table: &Table,
        haystack: &[u8],
        first: usize,
        candidate: &mut impl FnMut(usize, Gram),
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = self.avx2 {
            return avx2.scan(table, haystack, first, candidate);
        }
        match table.shape.stride {
            4 => scan_words::<4>(table, haystack, first, candidate),
            2 => scan_words::<2>(table, haystack, first, candidate),
            _ => scan_words::<1>(table, haystack, first, candidate),
        }
    }

    fn look_for_few(
        &self,
        few: &Teddy,
        haystack: &[u8],
        first: usize,
        candidate: &mut impl FnMut(usize, u8),
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = self.avx2 {
            return avx2.scan_few(few, haystack, first, candidate);
        }
        few.scan(haystack, first, candidate);
    }
}

/// Takes the patterns of the tables with the shortest grams, as many tables as [`Teddy`] can hold:
/// each table less is a look less at every position.
fn choose_few(ids: &mut [Vec<u32>]) -> Vec<u32> {
    let mut few = Vec::new();
    for (shape, ids) in SHAPES.iter().zip(ids).rev() {
        let most = match shape.stride {
            1 => teddy::MOST,
            _ => SO_FEW,
        };
        if few.len() + ids.len() > most {
            break;
        }
        few.append(ids);
    }
    few
}

/// The index of the shape a pattern goes to; `None` if it has fewer bytes than any allows.
///
/// A long stride leaves a pattern little choice of grams. Where every position is looked at anyway,
/// for shorter patterns or because false candidates of many would cost more than that look, it is
/// `picky`: a pattern without good grams goes to where it can choose.
fn home(bytes: &[u8], picky: bool) -> Option<usize> {
    let fits = |shape: &Shape| {
        let good = !picky || shape.stride == 1 || suits(bytes, *shape);
        bytes.len() >= shape.shortest() && good
    };
    SHAPES.iter().position(fits)
}

/// Looks at every position from `first` on, `STRIDE` apart, in portable code.
fn scan_words<const STRIDE: usize>(
    table: &Table,
    haystack: &[u8],
    first: usize,
    candidate: &mut impl FnMut(usize, Gram),
) {
    let mut position = first;
    let mut rest = haystack.get(first..).unwrap_or_default();
    while let Some(chunk) = rest.first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let gram = |at: usize| Gram::of_word((word >> (8 * at)) as u32, table.mask);
        let mut any = false;
        for at in (0..4).step_by(STRIDE) {
            any |= table.bitmap.may_hold(gram(at));
        }
        if any {
            for at in (0..4).step_by(STRIDE) {
                if table.bitmap.may_hold(gram(at)) {
                    candidate(position + at, gram(at));
                }
            }
        }
        position += 4;
        rest = rest.get(4..).unwrap_or_default();
    }
    // The last bytes, where no whole word can be read.
    let mut at = 0;
    while let Some(gram) = rest.get(at..).and_then(|r| Gram::of(r, table.shape.width)) {
        if table.bitmap.may_hold(gram) {
            candidate(position + at, gram);
        }
        at += STRIDE;
    }
}
