//! `*` in the actions of roles: any text, also none, anywhere and as often as wanted. Case means nothing.

/// Whether an action is one of those that a pattern stands for.
pub fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    let (mut at, mut of) = (0, 0);
    // Where to go on after the last star: behind it, with one more byte taken by it.
    let mut again: Option<(usize, usize)> = None;
    while let Some(byte) = action.get(of) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                again = Some((at, of));
            }
            Some(it) if it.eq_ignore_ascii_case(byte) => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((behind, taken)) = again else { return false };
                at = behind;
                of = taken + 1;
                again = Some((behind, of));
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|it| *it == b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, action, expected) in [
            ("*", "Microsoft.Network/virtualNetworks/read", true),
            ("*/read", "Microsoft.Network/virtualNetworks/read", true),
            ("*/read", "Microsoft.Network/virtualNetworks/readAll", false),
            ("Microsoft.Network/*", "microsoft.network/virtualnetworks/write", true),
            ("Microsoft.Network/*", "Microsoft.NetworkX/virtualNetworks/write", false),
            ("Microsoft.Network/*/read", "Microsoft.Network/virtualNetworks/subnets/read", true),
            ("Microsoft.Network/*/read", "Microsoft.Network/read", false),
            ("a*b*c", "abbbc", true),
            ("a*b*c", "abcd", false),
            ("a*b*c", "abcbc", true),
            ("a", "A", true),
            ("a", "ab", false),
            ("", "", true),
            ("**", "", true),
            ("*a", "aab", false),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }
}
