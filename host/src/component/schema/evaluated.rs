//! The members or items of one value that keywords have evaluated, for `unevaluatedProperties` and `unevaluatedItems`.

/// A set of positions in an object or an array.
#[derive(Default)]
pub(super) struct Evaluated {
    bits: Vec<u64>,
    is_full: bool,
}

impl Evaluated {
    pub(super) fn insert(&mut self, position: usize) {
        let word = position / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (position % 64);
    }

    pub(super) fn insert_all(&mut self) {
        self.is_full = true;
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        let word = self.bits.get(position / 64).copied().unwrap_or(0);
        self.is_full || word & (1 << (position % 64)) != 0
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.is_full |= other.is_full;
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (word, added) in self.bits.iter_mut().zip(&other.bits) {
            *word |= added;
        }
    }

    /// Returns the work of [`Self::extend`] with this set.
    pub(super) fn work(&self) -> u64 {
        self.bits.len() as u64 / 8
    }
}
