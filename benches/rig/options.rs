//! What can be asked of a bench on its command line?

use anyhow::{Context as _, bail};
use std::{collections::BTreeMap, str::FromStr};

/// A flag with its default and its meaning.
pub(crate) type Flag = (&'static str, &'static str, &'static str);

/// Every flag's value.
#[derive(Debug)]
pub(crate) struct Options(BTreeMap<&'static str, String>);

impl Options {
    /// Reads the command line; nothing when the bench is not to run.
    pub(crate) fn read(flags: &[Flag]) -> anyhow::Result<Option<Self>> {
        let mut values: BTreeMap<_, _> = flags.iter().map(|(name, usual, _)| (*name, (*usual).to_owned())).collect();
        let (mut words, mut run) = (std::env::args().skip(1), false);
        while let Some(word) = words.next() {
            let name = word.trim_start_matches("--");
            match name {
                "bench" => run = true,
                "help" => {
                    eprintln!("{}", help(flags));
                    return Ok(None);
                }
                _ => match values.get_mut(name) {
                    Some(value) => *value = words.next().with_context(|| format!("--{name} needs a value"))?,
                    None => bail!("`{word}` is no flag of this bench\n{}", help(flags)),
                },
            }
        }
        // Test runners start every target; only `cargo bench` says so.
        if !run {
            eprintln!("nothing is measured: this runs under `cargo bench`");
        }
        Ok(run.then_some(Self(values)))
    }

    /// A flag's number.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> anyhow::Result<T> {
        let numbers = self.numbers(name)?.into_iter();
        numbers.last().with_context(|| format!("--{name} needs a number"))
    }

    /// A flag's numbers, separated by commas.
    pub(crate) fn numbers<T: FromStr>(&self, name: &str) -> anyhow::Result<Vec<T>> {
        let text = self.0.get(name).map(String::as_str).unwrap_or_default();
        let numbers = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>();
        numbers.with_context(|| format!("--{name}: `{text}` are no whole numbers separated by commas"))
    }
}

fn help(flags: &[Flag]) -> String {
    flags.iter().map(|(name, usual, meaning)| format!("  --{name} {usual}: {meaning}\n")).collect()
}
