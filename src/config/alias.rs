//! Which other names in the environment set a key?

/// What an alias sets.
enum Part {
    Whole,
    /// The host of an address.
    Host,
    /// The port of an address.
    Port,
}

/// Another name for a key, or for a part of one.
pub(super) struct Alias {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    part: Part,
}

const fn alias(name: &'static str, key: &'static str, part: Part) -> Alias {
    Alias { name, key, part }
}

/// Names that programs of this kind already use; the first that is set wins, and `TAPEDECK__` names win over all.
const ALIASES: &[Alias] = &[
    alias("SYMBOLS", "symbols", Part::Whole),
    alias("TRACKED_SYMBOL", "symbols", Part::Whole),
    alias("SUPPORTED_SYMBOLS", "symbols", Part::Whole),
    alias("BINANCE_BASE_URL", "venue.binance.rest_url", Part::Whole),
    alias("RUST_LOG", "log.level", Part::Whole),
    alias("LOG_LEVEL", "log.level", Part::Whole),
    alias("LARGE_TRADE_THRESHOLD_USD", "series.large_trade_usd", Part::Whole),
    alias("API_HOST", "server.listen", Part::Host),
    alias("API_PORT", "server.listen", Part::Port),
    alias("APP_PORT", "server.listen", Part::Port),
];

/// Every alias that is set and not empty, with its text; the last has the last word.
pub(super) fn given(env: &[(String, Option<String>)]) -> impl Iterator<Item = (&'static Alias, &str)> {
    let variable = |name| env.iter().find(|(given, _)| given == name).and_then(|(_, value)| value.as_deref());
    let set = move |alias: &'static Alias| Some((alias, variable(alias.name).filter(|text| !text.is_empty())?));
    ALIASES.iter().rev().filter_map(set)
}

impl Alias {
    /// The key's value when the alias says `text` and the key had `current`.
    pub(super) fn value(&self, text: &str, current: &str) -> String {
        let (host, port) = current.rsplit_once(':').unwrap_or((current, ""));
        match self.part {
            Part::Whole => text.to_owned(),
            Part::Host if text.contains(':') && !text.starts_with('[') => format!("[{text}]:{port}"),
            Part::Host => format!("{text}:{port}"),
            Part::Port => format!("{host}:{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, Sources};

    #[test]
    fn aliases_lead_to_keys() {
        let settings = Settings::gather(Sources::default()).expect("the defaults are valid");
        for alias in ALIASES {
            assert!(settings.get(alias.key).is_some(), "{}", alias.name);
        }
    }
}
