//! Which other names in the environment set a key?

use crate::config::{
    problem::Problem,
    settings::{Origin, Settings},
};

/// What an alias sets.
enum Part {
    Whole,
    /// The host of an address.
    Host,
    /// The port of an address.
    Port,
}

/// Names that programs of this kind already use; the first that is set wins, and `TAPEDECK__` names win over all.
const ALIASES: &[(&str, &str, Part)] = &[
    ("SYMBOLS", "symbols", Part::Whole),
    ("TRACKED_SYMBOL", "symbols", Part::Whole),
    ("SUPPORTED_SYMBOLS", "symbols", Part::Whole),
    ("BINANCE_BASE_URL", "venue.binance.rest_url", Part::Whole),
    ("RUST_LOG", "log.level", Part::Whole),
    ("LOG_LEVEL", "log.level", Part::Whole),
    ("API_HOST", "server.listen", Part::Host),
    ("API_PORT", "server.listen", Part::Port),
    ("APP_PORT", "server.listen", Part::Port),
];

/// Applies every alias that is set and not empty.
pub(super) fn overlay(settings: &mut Settings, env: &[(String, Option<String>)], problems: &mut Vec<Problem>) {
    let variable = |name| env.iter().find(|(given, _)| given == name).and_then(|(_, value)| value.as_deref());
    for (name, key, part) in ALIASES.iter().rev() {
        let Some(text) = variable(*name).filter(|text| !text.is_empty()) else { continue };
        let current = settings.get(key).and_then(|setting| setting.value.as_str()).unwrap_or_default();
        let (host, port) = current.rsplit_once(':').unwrap_or((current, ""));
        let text = match part {
            Part::Whole => text.to_owned(),
            Part::Host if text.contains(':') && !text.starts_with('[') => format!("[{text}]:{port}"),
            Part::Host => format!("{text}:{port}"),
            Part::Port => format!("{host}:{text}"),
        };
        settings.overlay_text(key, &text, Origin::Env((*name).to_owned()), problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn aliases_lead_to_keys() {
        let settings = Settings::gather(Sources::default()).expect("the defaults are valid");
        for (name, key, _) in ALIASES {
            assert!(settings.get(key).is_some(), "{name}");
        }
    }
}
