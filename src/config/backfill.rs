//! How is the past fetched?

use crate::{
    config::{problem::Reason, reader::Reader},
    net::{Protocol, Proxy},
};
use std::{num::NonZeroUsize, time::Duration};

/// Ports of the proxy that are used at most.
const PROXIES_MAX: usize = 1_024;

/// `[backfill]`
#[derive(Clone, Debug)]
pub struct Backfill {
    /// Downloads at once.
    pub downloads: NonZeroUsize,
    /// For how long after it was due a file is looked for.
    pub awaited: Duration,
    /// Ways to the archive, used in turn; none is straight.
    pub proxies: Vec<Proxy>,
}

pub(super) fn backfill(reader: &mut Reader<'_>) -> Backfill {
    let host = reader.text("backfill.proxy_host", host);
    let protocol = reader.text("backfill.proxy_protocol", |text| {
        let known = Protocol::ALL.into_iter().find(|protocol| protocol.as_str() == text);
        known.ok_or(Reason::NoneOf(&["http", "https", "socks5"]))
    });
    let user = reader.text("backfill.proxy_user", |text| Ok(text.to_owned()));
    let password = reader.text("backfill.proxy_password", |text| Ok(text.to_owned()));
    let first: u16 = reader.number("backfill.proxy_port_first", 1..=65_535);
    let last: u16 = reader.number("backfill.proxy_port_last", 0..=65_535);
    let credentials = (!user.is_empty()).then_some((user, password));
    let ports = (first..=last.max(first)).take(PROXIES_MAX);
    let proxy = |host: &String, port| Proxy { protocol, host: host.clone(), port, credentials: credentials.clone() };
    Backfill {
        downloads: reader.count("backfill.downloads", 32),
        awaited: Duration::from_hours(24 * reader.number::<u64>("backfill.awaited_days", 1..=365)),
        proxies: host
            .iter()
            .flat_map(|host| ports.clone().map(move |port| (host, port)))
            .map(|(host, port)| proxy(host, port))
            .collect(),
    }
}

/// A name or an address, and nothing more; nothing for an empty text.
fn host(text: &str) -> Result<Option<String>, Reason> {
    let is_bare = !text.contains(['/', '@', ' ', '?', '#']);
    let is_one = is_bare && (text.starts_with('[') || !text.contains(':'));
    if is_one { Ok(Some(text.to_owned()).filter(|text| !text.is_empty())) } else { Err(Reason::NoHost) }
}
