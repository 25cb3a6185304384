//! Decimals without a lost digit. `rust_decimal` rounds a product that has more digits than it can hold;
//! here that is an error.

use rust_decimal::Decimal;

/// Digits after the point that a number of bytes has when it is told in GB.
const GB_DIGITS: u32 = 9;

/// A number has more digits than a decimal can hold (28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount has more digits than can be kept exactly")]
pub struct TooLarge;

/// Bytes in GB, that is 10⁹ bytes: exact.
pub fn gigabytes(bytes: i128) -> Result<Decimal, TooLarge> {
    decimal(bytes, GB_DIGITS)
}

/// The product, exact.
pub fn product(a: Decimal, b: Decimal) -> Result<Decimal, TooLarge> {
    let (a, b) = (a.normalize(), b.normalize());
    let digits = a.mantissa().checked_mul(b.mantissa()).ok_or(TooLarge)?;
    decimal(digits, a.scale() + b.scale())
}

/// The sum, exact.
pub fn sum(a: Decimal, b: Decimal) -> Result<Decimal, TooLarge> {
    let (a, b) = (a.normalize(), b.normalize());
    let scale = a.scale().max(b.scale());
    let digits = |it: Decimal| {
        10_i128.checked_pow(scale - it.scale()).and_then(|power| it.mantissa().checked_mul(power))
    };
    let digits = digits(a).zip(digits(b)).and_then(|(a, b)| a.checked_add(b));
    decimal(digits.ok_or(TooLarge)?, scale)
}

/// The sum of many, exact.
pub fn total(items: impl IntoIterator<Item = Decimal>) -> Result<Decimal, TooLarge> {
    items.into_iter().try_fold(Decimal::ZERO, sum)
}

fn decimal(digits: i128, scale: u32) -> Result<Decimal, TooLarge> {
    let (mut digits, mut scale) = (digits, scale);
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(digits, scale).map_err(|_| TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_gigabyte_is_ten_to_the_nine_bytes() {
        assert_eq!(gigabytes(1_500_000_001).unwrap().to_string(), "1.500000001");
        assert_eq!(gigabytes(-1_000_000_000).unwrap().to_string(), "-1");
        assert_eq!(gigabytes(i128::from(u64::MAX)).unwrap().to_string(), "18446744073.709551615");
        assert_eq!(gigabytes(i128::MAX), Err(TooLarge));
    }

    #[test]
    fn no_digit_is_lost() {
        let all_bytes = gigabytes(i128::from(u64::MAX)).unwrap();
        let cost = product(all_bytes, number("0.035")).unwrap();
        assert_eq!(cost.to_string(), "645636042.579834306525");
        assert_eq!(product(all_bytes, number("9.123456789")), Err(TooLarge));
        assert_eq!(sum(number("79228162514264337593543950335"), number("0.1")), Err(TooLarge));
        assert_eq!(sum(number("0.10"), number("-0.1")).unwrap().to_string(), "0");
        assert_eq!(total([number("0.1"), number("0.2")]).unwrap().to_string(), "0.3");
    }
}
