//! The set of URIs that a resource or a resource template serves, and whether two such sets overlap.

/// One byte of a URI, or a part of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// One byte of the class.
    One(Class),
    /// Any number of bytes of the class.
    Many(Class),
}

/// The bytes that an expression matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Of `{name}`: the bytes of one segment.
    Segment,
    /// Of `{+name}`: any byte.
    Any,
}

/// The URIs that a resource or a resource template serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UriPattern(Vec<Token>);

/// The work that comparing patterns may take. One unit is a pair of positions in two patterns.
pub(crate) struct Work(pub(crate) u64);

/// Comparing the patterns takes more than the remaining [`Work`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuchWork;

impl Class {
    fn contains(self, byte: u8) -> bool {
        match self {
            Self::Segment => !b"/?#".contains(&byte),
            Self::Any => true,
        }
    }
}

impl Token {
    /// Returns whether both can match the same byte.
    fn meets(self, other: Self) -> bool {
        use Token::{Byte, Many, One};
        match (self, other) {
            (Byte(a), Byte(b)) => a == b,
            (Byte(byte), One(class) | Many(class)) | (One(class) | Many(class), Byte(byte)) => {
                class.contains(byte)
            }
            // Every class contains letters.
            (One(_) | Many(_), One(_) | Many(_)) => true,
        }
    }

    fn is_many(self) -> bool {
        matches!(self, Self::Many(_))
    }
}

impl UriPattern {
    /// Returns the pattern of a single URI.
    pub(crate) fn of_uri(uri: &str) -> Self {
        Self(uri.bytes().map(Token::Byte).collect())
    }

    /// Adds literal text.
    pub(super) fn push_literal(&mut self, literal: &str) {
        self.0.extend(literal.bytes().map(Token::Byte));
    }

    /// Adds an expression.
    pub(super) fn push_expression(&mut self, class: Class) {
        self.0.extend([Token::One(class), Token::Many(class)]);
    }

    /// Returns the pattern of the URIs with a prefix.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Self {
        let mut pattern = Self::of_uri(prefix);
        pattern.0.extend(&self.0);
        pattern
    }

    /// Returns whether some URI matches both patterns.
    ///
    /// # Errors
    /// The comparison takes more than `work`.
    pub(crate) fn overlaps(&self, other: &Self, work: &mut Work) -> Result<bool, TooMuchWork> {
        let (ours, theirs) = (&self.0, &other.0);
        // `reachable[j]` tells whether some text leads to the current position of ours and position j of theirs.
        let mut reachable = vec![false; theirs.len() + 1];
        let mut next = reachable.clone();
        reachable[0] = true;
        // All reachable positions of theirs are in this range.
        let (mut first, mut last) = (0, 0);
        for position in 0..=ours.len() {
            let our = ours.get(position).copied();
            let (mut next_first, mut next_last) = (usize::MAX, 0);
            let mut j = first;
            while j <= last {
                work.0 = work.0.checked_sub(1).ok_or(TooMuchWork)?;
                if reachable[j] {
                    let their = theirs.get(j).copied();
                    let meets = our.zip(their).is_some_and(|(our, their)| our.meets(their));
                    let (ours_many, theirs_many) = (
                        our.is_some_and(Token::is_many),
                        their.is_some_and(Token::is_many),
                    );
                    // Theirs ends its repetition, or ours repeats with the byte of theirs.
                    if theirs_many || (ours_many && meets) {
                        reachable[j + 1] = true;
                        last = last.max(j + 1);
                    }
                    // Ours ends its repetition, or its byte is one more of theirs, or both advance.
                    let reached = match (ours_many, theirs_many) {
                        (true, _) => Some(j),
                        (false, true) if meets => Some(j),
                        (false, false) if meets => Some(j + 1),
                        _ => None,
                    };
                    if let Some(reached) = reached {
                        next[reached] = true;
                        next_first = next_first.min(reached);
                        next_last = next_last.max(reached);
                    }
                }
                j += 1;
            }
            if position == ours.len() {
                return Ok(reachable[theirs.len()]);
            }
            if next_first == usize::MAX {
                return Ok(false);
            }
            reachable[first..=last].fill(false);
            std::mem::swap(&mut reachable, &mut next);
            (first, last) = (next_first, next_last);
        }
        Ok(false)
    }
}
