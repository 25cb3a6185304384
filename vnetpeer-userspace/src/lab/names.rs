//! Names of labs and of what they consist of.

use std::collections::BTreeSet;

/// Longest name of a lab: a namespace's name is a file name and has the lab's and the NIC's in it.
pub(super) const LAB_NAME_MAX: usize = 32;

/// Longest name of a host or NIC that goes into a namespace's name whole.
const PART_MAX: usize = 80;

/// Whether `name` can be the name of a lab.
pub(super) fn is_lab_name(name: &str) -> bool {
    name.len() <= LAB_NAME_MAX
        && name.bytes().all(is_plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// The name of the lab of a deployment.
pub(super) fn lab_name(deployment: &str) -> String {
    let name: String = plain(deployment).chars().take(LAB_NAME_MAX).collect();
    let name = name.trim_start_matches(['-', '_']);
    if name.is_empty() { "lab".to_owned() } else { name.to_owned() }
}

/// The text with everything but letters, digits, `-` and `_` replaced. The BPF file system, for
/// one, takes no dots.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_ascii() && is_plain(it as u8) { it } else { '-' }).collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Gives out names that nobody has.
#[derive(Debug, Default)]
pub(super) struct Unique {
    taken: BTreeSet<String>,
}

impl Unique {
    /// Starts with the names that others have.
    pub(super) fn new(taken: BTreeSet<String>) -> Self {
        Self { taken }
    }

    /// `vnp-LAB-PART`, or with the smallest number behind it that makes it unique.
    pub(super) fn namespace(&mut self, lab: &str, part: &str) -> String {
        let part: String = part.chars().take(PART_MAX).collect();
        self.name(format!("vnp-{lab}-{part}"))
    }

    /// The name, or with the smallest number behind it that makes it unique.
    pub(super) fn name(&mut self, name: String) -> String {
        let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let free = candidates.find(|it| !self.taken.contains(it)).unwrap_or(name);
        self.taken.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_names_its_lab() {
        assert_eq!(lab_name("quickstart"), "quickstart");
        assert_eq!(lab_name("Hub & spoke.v2"), "Hub---spoke-v2");
        assert_eq!(lab_name("--"), "lab");
        assert_eq!(lab_name(&"x".repeat(90)).len(), LAB_NAME_MAX);
        for name in ["quickstart", "a_b-2"] {
            assert!(is_lab_name(name));
        }
        for name in ["", "-a", "a.b", "a/b", &"x".repeat(LAB_NAME_MAX + 1)] {
            assert!(!is_lab_name(name), "{name}");
        }
    }

    #[test]
    fn namespaces_are_unique_among_labs_and_within_one() {
        let mut names = Unique::new(BTreeSet::from(["vnp-a-b-c".to_owned()]));
        assert_eq!(names.namespace("a", "b-c"), "vnp-a-b-c-2");
        assert_eq!(names.namespace("a-b", "c"), "vnp-a-b-c-3");
        assert_eq!(names.namespace("a", "d"), "vnp-a-d");
    }
}
