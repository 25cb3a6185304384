//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// Adds the 16-bit big-endian words of `bytes` to `sum`. An odd last byte counts as the upper half of
/// a word.
#[inline(always)]
pub const fn add_bytes<const N: usize>(mut sum: u32, bytes: &[u8; N]) -> u32 {
    let mut index = 0;
    while index + 1 < N {
        sum += ((bytes[index] as u32) << 8) | bytes[index + 1] as u32;
        index += 2;
    }
    if N % 2 == 1 {
        sum += (bytes[N - 1] as u32) << 8;
    }
    sum
}

/// Folds a sum to 16 bits with end-around carry. Two rounds bring any 32-bit sum down.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) as u16
}

/// The checksum field for a sum.
#[inline(always)]
pub const fn finish(sum: u32) -> u16 {
    !fold(sum)
}

/// The checksum of a header after the words that summed to `old` became words that sum to `new`:
/// RFC 1624 equation 3, `HC' = ~(~HC + ~m + m')`.
#[inline(always)]
pub const fn update(checksum: u16, old: u32, new: u32) -> u16 {
    !fold((!checksum) as u32 + (!fold(old)) as u32 + fold(new) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_rfc_1071_style_example_sums_to_known_value() {
        // The IPv4 header that many texts use: checksum 0xb861.
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ];
        assert_eq!(finish(add_bytes(0, &header)), 0xb861);
    }

    #[test]
    fn update_equals_recomputation_for_the_corner_of_rfc_1624() {
        // RFC 1624 §4: equation 2 fails on this one, equation 3 does not.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn odd_byte_is_the_upper_half() {
        assert_eq!(add_bytes(0, &[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
    }
}
