//! The bits of base64url text, six a character, the most significant first: as IAB strings are written, without padding and to any length, also
//! one that is no whole number of bytes.

use super::Malformed;

/// Numbers that are Fibonacci coded are section ids and lengths of ranges: none is greater.
const GREATEST: u64 = 65_535;

#[derive(Debug)]
pub struct Bits<'a> {
    text: &'a [u8],
    /// How many were taken.
    at: usize,
}

impl<'a> Bits<'a> {
    pub fn of(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
        }
    }

    pub fn flag(&mut self) -> Result<bool, Malformed> {
        let character = *self.text.get(self.at / 6).ok_or(Malformed::Short)?;
        let six = sextet(character).ok_or(Malformed::Alphabet)?;
        let bit = six >> (5 - self.at % 6) & 1 == 1;
        self.at += 1;
        Ok(bit)
    }

    /// An integer of so many bits, at most 64.
    pub fn number(&mut self, bits: u32) -> Result<u64, Malformed> {
        let mut value = 0;
        for _ in 0..bits {
            value = value << 1 | u64::from(self.flag()?);
        }
        Ok(value)
    }

    /// So many flags, at most 32; the first is bit 1 of what comes back, the second bit 2, as their ids go.
    pub fn flags(&mut self, many: u32) -> Result<u64, Malformed> {
        let mut flags = 0;
        for id in 1..=many {
            flags |= u64::from(self.flag()?) << id;
        }
        Ok(flags)
    }

    pub fn id(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.number(16)?).map_err(|_| Malformed::Range)
    }

    pub fn skip(&mut self, bits: u32) -> Result<(), Malformed> {
        self.number(bits).map(drop)
    }

    /// A Fibonacci-coded integer: a sum of Fibonacci numbers from 1, 2, 3, 5 on, ended by two ones.
    pub fn fibonacci(&mut self) -> Result<u64, Malformed> {
        let (mut this, mut next) = (1, 2);
        let (mut sum, mut last) = (0, false);
        loop {
            let bit = self.flag()?;
            if bit && last {
                return Ok(sum);
            }
            if this > GREATEST {
                return Err(Malformed::Range);
            }
            if bit {
                sum += this;
            }
            last = bit;
            (this, next) = (next, this + next);
        }
    }
}

fn sextet(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_from_the_first_and_end_with_the_text() {
        let mut bits = Bits::of("DB");
        assert_eq!((bits.number(6), bits.number(6)), (Ok(3), Ok(1)));
        assert_eq!(bits.flag(), Err(Malformed::Short));
        assert_eq!(Bits::of("=").flag(), Err(Malformed::Alphabet));
    }

    /// The table of "About Fibonacci Encoding" in the GPP specification.
    #[test]
    fn fibonacci_codes_are_those_of_the_specification() {
        for (code, number) in [
            ("11", 1),
            ("011", 2),
            ("0011", 3),
            ("1011", 4),
            ("00011", 5),
            ("10011", 6),
            ("01011", 7),
        ] {
            let padded = format!("{code:0<6}");
            let six = u8::from_str_radix(&padded, 2).unwrap();
            let character =
                char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[usize::from(six)]);
            assert_eq!(Bits::of(&character.to_string()).fibonacci(), Ok(number), "{code}");
        }
        assert_eq!(Bits::of(&"A".repeat(64)).fibonacci(), Err(Malformed::Range));
    }
}
