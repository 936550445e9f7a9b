//! Chains that were read lately. Servers send the same ones again and again: such a one is neither
//! read nor kept twice.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::Event;
use super::certificate::Chain;
use crate::app_layer::Limits;

/// Bytes of the chains of one generation; a thread keeps two.
const MOST_BYTES: usize = 2 << 20;
/// A larger chain is read each time.
const LARGEST: usize = 64 * 1024;

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// As [`Chain::read`].
pub(super) fn read(
    message: &[u8],
    limits: &Limits,
    raise: &mut dyn FnMut(Event),
) -> Option<Arc<Chain>> {
    let known = KNOWN.try_with(|known| {
        let mut known = known.borrow_mut();
        known.get_or_insert_default().find(message)
    });
    if let Ok(Some(chain)) = known
        && chain.length() as usize <= limits.tls_certificates
    {
        chain.faults.iter().for_each(|fault| raise(*fault));
        return Some(chain);
    }
    let mut faults = Vec::new();
    let mut chain = Chain::read(message, limits, &mut |fault| {
        faults.push(fault);
        raise(fault);
    })?;
    chain.faults = faults;
    let chain = Arc::new(chain);
    if chain.is_of(message) && chain.held_bytes() <= LARGEST {
        // An error is that the thread ends.
        let _ = KNOWN.try_with(|known| {
            let mut known = known.borrow_mut();
            known.get_or_insert_default().keep(message, chain.clone());
        });
    }
    Some(chain)
}

/// Those of the generation that goes on, and of the one before.
#[derive(Debug, Default)]
struct Known {
    hasher: RandomState,
    bytes: usize,
    young: HashMap<u64, Arc<Chain>, RandomState>,
    old: HashMap<u64, Arc<Chain>, RandomState>,
}

impl Known {
    fn find(&mut self, message: &[u8]) -> Option<Arc<Chain>> {
        let hash = self.hasher.hash_one(message);
        if let Some(chain) = self.young.get(&hash) {
            return chain.is_of(message).then(|| chain.clone());
        }
        let chain = self.old.remove(&hash)?;
        if !chain.is_of(message) {
            return None;
        }
        self.keep(message, chain.clone());
        Some(chain)
    }

    fn keep(&mut self, message: &[u8], chain: Arc<Chain>) {
        let bytes = chain.held_bytes();
        if self.bytes + bytes > MOST_BYTES {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(self.hasher.hash_one(message), chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one certificate, which is none.
    fn message(certificate: &[u8]) -> Vec<u8> {
        let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
        let [_, entry @ ..] = length(certificate.len());
        let [_, list @ ..] = length(certificate.len() + 3);
        [&list[..], &entry, certificate].concat()
    }

    fn told(message: &[u8], limits: &Limits) -> (Option<Arc<Chain>>, Vec<Event>) {
        let mut events = Vec::new();
        let chain = read(message, limits, &mut |event| events.push(event));
        (chain, events)
    }

    #[test]
    fn a_chain_that_comes_again_is_the_same_with_its_faults() {
        let limits = Limits::default();
        let (first, events) = told(&message(b"certificate"), &limits);
        let (again, same) = told(&message(b"certificate"), &limits);
        assert!(Arc::ptr_eq(&first.unwrap(), &again.clone().unwrap()));
        assert!(events.contains(&Event::InvalidCertificate));
        assert_eq!(events, same);
        let (other, _) = told(&message(b"certificatf"), &limits);
        assert!(!Arc::ptr_eq(&other.unwrap(), &again.unwrap()));
        assert!(told(&message(b"x")[..5], &limits).0.is_none());
    }

    #[test]
    fn one_that_is_not_kept_whole_is_read_each_time() {
        let none = Limits {
            tls_certificates: 0,
            ..Limits::default()
        };
        let message = message(b"of two limits");
        told(&message, &Limits::default());
        let (cut, events) = told(&message, &none);
        assert!(cut.unwrap().certificates().is_empty());
        assert!(events.contains(&Event::HandshakeInvalidLength));
        let (whole, _) = told(&message, &Limits::default());
        assert_eq!(whole.unwrap().certificates().len(), 1);
    }

    #[test]
    fn what_is_asked_for_outlives_what_is_not() {
        let limits = Limits::default();
        let wanted = message(b"wanted");
        let (first, _) = told(&wanted, &limits);
        for n in 0..200_u32 {
            let mut other = vec![7; 40_000];
            other[..4].copy_from_slice(&n.to_be_bytes());
            told(&message(&other), &limits);
            told(&wanted, &limits);
        }
        let (last, _) = told(&wanted, &limits);
        assert!(Arc::ptr_eq(&first.unwrap(), &last.unwrap()));
        KNOWN.with_borrow(|known| {
            let known = known.as_ref().unwrap();
            let all = known.young.values().chain(known.old.values());
            let bytes: usize = all.map(|chain| chain.held_bytes()).sum();
            assert!(bytes <= 2 * MOST_BYTES, "{bytes}");
        });
    }
}
