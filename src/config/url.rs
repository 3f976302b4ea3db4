//! Is this an address that we may speak to?

use crate::config::problem::Reason;
use reqwest::Url;

/// A scheme and its encrypted form.
pub(super) struct Scheme {
    plain: &'static str,
    tls: &'static str,
    wanted: &'static str,
}

/// REST.
pub(super) const HTTP: Scheme = Scheme { plain: "http", tls: "https", wanted: "an https:// address" };
/// WebSocket.
pub(super) const WS: Scheme = Scheme { plain: "ws", tls: "wss", wanted: "a wss:// address" };

/// Takes `text` as the root of a service, without the slash at its end.
///
/// Plain text to another machine is refused: whoever stands between could make up the tape.
pub(super) fn root(text: &str, scheme: &Scheme) -> Result<String, Reason> {
    let url = Url::parse(text).map_err(|_| Reason::NoUrl(scheme.wanted))?;
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let known = url.scheme() == scheme.tls || url.scheme() == scheme.plain;
    let host = url.host_str().unwrap_or_default();
    if !bare || !known || host.is_empty() || url.fragment().is_some() {
        return Err(Reason::NoUrl(scheme.wanted));
    }
    if url.scheme() == scheme.plain && !is_this_machine(host) {
        return Err(Reason::Unencrypted(scheme.plain));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Takes `text` as the origin of web pages: a scheme, a host, perhaps a port, and nothing more.
pub(super) fn origin(text: &str) -> Result<String, Reason> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let wrong = || Reason::NoOrigin(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let origin = url.origin().ascii_serialization();
    // A browser writes it exactly so, and the header is compared as text.
    if matches!(url.scheme(), "http" | "https") && text == origin { Ok(origin) } else { Err(wrong()) }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_lose_their_last_slash() {
        assert_eq!(root("https://fapi.binance.com/", &HTTP), Ok("https://fapi.binance.com".to_owned()));
        assert_eq!(root("ws://[::1]:8700/a/", &WS), Ok("ws://[::1]:8700/a".to_owned()));
        assert_eq!(root("ws://127.0.0.1:8700", &WS), Ok("ws://127.0.0.1:8700".to_owned()));
    }

    #[test]
    fn plain_text_leaves_the_machine_for_nobody() {
        for text in ["ws://fstream.binance.com", "ws://10.0.0.1", "ws://127.0.0.1.example.com", "ws://0.0.0.0"] {
            assert_eq!(root(text, &WS), Err(Reason::Unencrypted("ws")), "{text}");
        }
    }

    #[test]
    fn what_is_no_root_is_refused() {
        for text in ["", "fapi.binance.com", "ftp://a.example", "wss://a.example", "https://u:p@a.example"] {
            assert_eq!(root(text, &HTTP), Err(Reason::NoUrl("an https:// address")), "{text}");
        }
        for text in ["https://a.example/?x=1", "https://a.example/#x"] {
            assert_eq!(root(text, &HTTP), Err(Reason::NoUrl("an https:// address")), "{text}");
        }
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        assert_eq!(origin("https://charts.example.com"), Ok("https://charts.example.com".to_owned()));
        assert_eq!(origin("http://localhost:5173"), Ok("http://localhost:5173".to_owned()));
        assert_eq!(origin("*"), Ok("*".to_owned()));
        for text in ["https://a.example/", "https://A.example", "https://a.example:443", "a.example", "null", "file://"]
        {
            assert_eq!(origin(text), Err(Reason::NoOrigin(text.to_owned())), "{text}");
        }
    }
}
