//! ARM resource ids.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ARM resource id in its canonical spelling. Two ids are equal if they differ only in case. Copies
/// share the text. Its hash is known, since the same ids are looked up again and again.
#[derive(Clone, Debug)]
pub struct ResourceId {
    text: Arc<str>,
    hash: u64,
}

impl ResourceId {
    /// Takes an id that starts with `/subscriptions/`.
    pub fn new(id: impl AsRef<str>) -> Self {
        let text: Arc<str> = Arc::from(id.as_ref());
        let hash = folded_hash(text.as_bytes());
        Self { text, hash }
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for ids that are equal.
    pub(crate) const fn hash_value(&self) -> u64 {
        self.hash
    }

    /// The last segment: the resource's own name.
    pub fn name(&self) -> &str {
        // Names are short: no search of words at a time.
        let slash = self.text.bytes().rposition(|byte| byte == b'/');
        slash.and_then(|at| self.text.get(at + 1..)).unwrap_or(&self.text)
    }

    /// The bytes from `from` on, in lower case.
    fn folded(&self, from: usize) -> impl Iterator<Item = u8> + '_ {
        let bytes = self.text.as_bytes().get(from..).unwrap_or_default();
        bytes.iter().map(u8::to_ascii_lowercase)
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
            || self.hash == other.hash && self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.text, &other.text) {
            return Ordering::Equal;
        }
        // Ids of one deployment are alike for most of their length; what is the same byte for byte need
        // not be folded.
        let alike = alike(self.text.as_bytes(), other.text.as_bytes());
        self.folded(alike).cmp(other.folded(alike))
    }
}

/// How many bytes at the beginning of both are the same, rounded down to whole blocks.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let (one, other) = (one.as_chunks::<16>().0, other.as_chunks::<16>().0);
    16 * one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The same for texts that differ only in case.
pub(crate) fn folded_hash(text: &[u8]) -> u64 {
    /// An odd number without structure (2^64 divided by the golden ratio).
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = text.as_chunks::<8>();
    let words = words.iter().map(|word| folded_word(u64::from_ne_bytes(*word)));
    let rest = rest.iter().map(|byte| u64::from(byte.to_ascii_lowercase()));
    let hash = words.chain(rest).fold(1, step);
    hash ^ (hash >> 32)
}

/// Eight bytes in lower case. A byte of ASCII from `A` on has its upper bit set after the first addition,
/// one beyond `Z` after the second too.
const fn folded_word(word: u64) -> u64 {
    const ALL: u64 = 0x0101_0101_0101_0101;
    let ascii = word & (0x7f * ALL);
    let from_a = ascii + (0x80 - b'A' as u64) * ALL;
    let beyond_z = ascii + (0x7f - b'Z' as u64) * ALL;
    let upper = (from_a ^ beyond_z) & !word & (0x80 * ALL);
    word | (upper >> 2)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_are_equal_and_hash_alike_whatever_their_case(text in "[ -~äÄ\u{0}-\u{ff}]{0,40}") {
            let (lower, upper) = (text.to_ascii_lowercase(), text.to_ascii_uppercase());
            let ids = [text.clone(), lower, upper].map(ResourceId::new);
            prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1);
            prop_assert!(ids.iter().all(|id| id.cmp(&ids[0]) == Ordering::Equal));
            let other = ResourceId::new(format!("{text}x"));
            prop_assert!(other != ids[0] && other.cmp(&ids[0]) == Ordering::Greater);
        }

        #[test]
        fn words_are_folded_byte_by_byte(bytes: [u8; 8]) {
            let folded = folded_word(u64::from_ne_bytes(bytes)).to_ne_bytes();
            prop_assert_eq!(folded, bytes.map(|byte| byte.to_ascii_lowercase()));
        }
    }
}
