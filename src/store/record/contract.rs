//! How does what the store knows of a contract become words?

use crate::{
    model::{Symbol, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Record, Relation, Schema},
    },
};

/// Words that a symbol takes: 64 bytes, the longest that is accepted.
const SYMBOL_WORDS: usize = 8;

const fn column(name: &'static str) -> Column {
    Column { name, shape: Shape::Plain, relation: Relation::Alone }
}

/// Number, time of listing, length of the symbol, its bytes.
pub(super) const SCHEMA: Schema = Schema {
    name: "contracts",
    columns: &[
        column("number"),
        column("onboard_time"),
        column("symbol_bytes"),
        column("symbol_0"),
        column("symbol_1"),
        column("symbol_2"),
        column("symbol_3"),
        column("symbol_4"),
        column("symbol_5"),
        column("symbol_6"),
        column("symbol_7"),
    ],
    dense: false,
    revision: Some(1),
};

/// A contract's name and number, as one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractRow {
    /// Its number in the store.
    pub number: u32,
    /// When it was listed; 0 while that is not known.
    pub onboard_time: UnixMillis,
    symbol_bytes: usize,
    symbol: [u64; SYMBOL_WORDS],
}

impl ContractRow {
    /// The row of a contract.
    pub fn new(number: u32, symbol: &Symbol, onboard_time: UnixMillis) -> Self {
        let mut bytes = [0; SYMBOL_WORDS * 8];
        let text = symbol.as_str().as_bytes();
        bytes[..text.len()].copy_from_slice(text);
        let (words, _) = bytes.as_chunks::<8>();
        let mut symbol = [0; SYMBOL_WORDS];
        symbol.iter_mut().zip(words).for_each(|(word, chunk)| *word = u64::from_le_bytes(*chunk));
        Self { number, onboard_time, symbol_bytes: text.len(), symbol }
    }

    /// Its ticker; nothing when the words are no symbol.
    pub fn symbol(&self) -> Option<Symbol> {
        let bytes: Vec<u8> = self.symbol.iter().flat_map(|word| word.to_le_bytes()).collect();
        Symbol::new(str::from_utf8(bytes.get(..self.symbol_bytes)?).ok()?).ok()
    }
}

impl Record for ContractRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([u64::from(self.number), self.onboard_time.get().cast_unsigned(), self.symbol_bytes as u64]);
        words.extend(self.symbol);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let (head, symbol) = words.split_first_chunk::<3>()?;
        let row = Self {
            number: u32::try_from(head[0]).ok()?,
            onboard_time: UnixMillis::new(head[1].cast_signed()),
            symbol_bytes: usize::try_from(head[2]).ok()?,
            symbol: symbol.try_into().ok()?,
        };
        row.symbol().is_some().then_some(row)
    }

    fn key(&self) -> u64 {
        u64::from(self.number)
    }

    fn time(&self) -> UnixMillis {
        self.onboard_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_symbol_comes_back() {
        for text in ["BTCUSDT", "币安人生USDT", &"A".repeat(64)] {
            let row = ContractRow::new(7, &Symbol::new(text).expect("a symbol"), UnixMillis::new(5));
            let mut words = Vec::new();
            row.write(&mut words);
            assert_eq!(words.len(), SCHEMA.columns.len());
            assert_eq!(ContractRow::read(&words).and_then(|row| row.symbol()).expect("one").as_str(), text);
        }
        assert_eq!(ContractRow::read(&[1, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
