//! What strings say, what policies make of it, and that nothing anybody sends harms who reads it.

mod hostile;
mod rules;
mod strings;

/// Writes bits as base64url, six a character, filled up with zeros: the opposite of [`super::bits::Bits`].
#[derive(Default)]
pub struct Writer(Vec<bool>);

impl Writer {
    pub fn number(mut self, bits: u32, value: u64) -> Self {
        self.0.extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    /// Flags of these ids, of so many.
    pub fn flags(mut self, many: u64, ids: &[u64]) -> Self {
        self.0.extend((1..=many).map(|id| ids.contains(&id)));
        self
    }

    pub fn fibonacci(mut self, number: u64) -> Self {
        let mut numbers = vec![1, 2];
        while numbers[numbers.len() - 1] <= number {
            numbers.push(numbers[numbers.len() - 1] + numbers[numbers.len() - 2]);
        }
        let (mut left, mut code) = (number, vec![]);
        for number in numbers.iter().rev() {
            let is_in = *number <= left;
            left -= if is_in { *number } else { 0 };
            code.push(is_in);
        }
        let code = code.into_iter().skip_while(|is_in| !is_in).collect::<Vec<_>>();
        self.0.extend(code.into_iter().rev());
        self.0.push(true);
        self
    }

    pub fn text(&self) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let six = |bits: &[bool]| (0..6).fold(0, |six, bit| six << 1 | usize::from(bits.get(bit) == Some(&true)));
        self.0.chunks(6).map(|bits| char::from(ALPHABET[six(bits)])).collect()
    }
}

/// A TC string to be.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Tenths of seconds.
    pub last_updated: u64,
    pub policy_version: u64,
    pub special_features: Vec<u64>,
    pub consents: Vec<u64>,
    pub legitimate_interests: Vec<u64>,
    pub vendor_consents: Vec<u64>,
    pub vendor_legitimate_interests: Vec<u64>,
    /// Purpose, kind, and the first and last vendor.
    pub restrictions: Vec<(u64, u64, u64, u64)>,
    /// As ranges.
    pub disclosed: Option<Vec<(u64, u64)>>,
}

impl Draft {
    pub fn text(&self) -> String {
        let vendors = |writer: Writer, ids: &[u64]| {
            let last = ids.iter().max().copied().unwrap_or_default();
            writer.number(16, last).number(1, 0).flags(last, ids)
        };
        let ranges = |writer: Writer, all: &[(u64, u64)]| {
            let many = writer.number(12, all.len() as u64);
            all.iter().fold(many, |writer, (from, to)| {
                if from == to {
                    writer.number(1, 0).number(16, *from)
                } else {
                    writer.number(1, 1).number(16, *from).number(16, *to)
                }
            })
        };
        let core = Writer::default()
            .number(6, 2)
            .number(36, self.last_updated)
            .number(36, self.last_updated)
            .number(12 + 12 + 6 + 12 + 12, 0)
            .number(6, self.policy_version)
            .number(2, 2)
            .flags(12, &self.special_features)
            .flags(24, &self.consents)
            .flags(24, &self.legitimate_interests)
            .number(13, 0);
        let core = vendors(core, &self.vendor_consents);
        let core = vendors(core, &self.vendor_legitimate_interests).number(12, self.restrictions.len() as u64);
        let core = self
            .restrictions
            .iter()
            .fold(core, |writer, (purpose, kind, from, to)| {
                ranges(writer.number(6, *purpose).number(2, *kind), &[(*from, *to)])
            });
        let disclosed = self.disclosed.as_ref().map(|all| {
            let last = all.iter().map(|(_, to)| *to).max().unwrap_or_default();
            ranges(Writer::default().number(3, 1).number(16, last).number(1, 1), all).text()
        });
        [Some(core.text()), disclosed]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// A GPP string with these sections.
pub fn gpp(sections: &[(u64, &str)]) -> String {
    let header = Writer::default()
        .number(6, 3)
        .number(6, 1)
        .number(12, sections.len() as u64);
    let (header, _) = sections.iter().fold((header, 0), |(writer, last), (id, _)| {
        (writer.number(1, 0).fibonacci(id - last), *id)
    });
    let mut parts = vec![header.text()];
    parts.extend(sections.iter().map(|(_, part)| (*part).to_owned()));
    parts.join("~")
}
