//! "Did you mean": the known word that is closest to an unknown one.

/// A longer word is no slip, and comparing it would only cost time.
const WORD_BYTES_MAX: usize = 100;

/// The closest of `known`, if it is close enough to be a slip of the pen.
pub(crate) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let folded = word.to_lowercase();
    let (distance, best) = known
        .iter()
        .map(|candidate| (edit_distance(&folded, &candidate.to_lowercase()), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let slips_max = (word.chars().count() / 3).max(1);
    (distance <= slips_max).then_some(best)
}

/// Levenshtein distance: insertions, deletions and replacements.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, left) in from.chars().enumerate() {
        let mut cell = index + 1;
        let mut next = vec![cell];
        for ((right, diagonal), above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            cell = (cell + 1).min(above + 1).min(diagonal + usize::from(left != *right));
            next.push(cell);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_changes() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    #[test]
    fn only_a_slip_is_suggested() {
        let known = ["addressPrefix", "addressPrefixes", "routeTable"];
        assert_eq!(closest("AddressPrefix", &known), Some("addressPrefix"));
        assert_eq!(closest("adressPrefixes", &known), Some("addressPrefixes"));
        assert_eq!(closest("colour", &known), None);
        assert_eq!(closest("x", &[]), None);
    }
}
