//! Which host does a connection go to?

use std::fmt;
use tokio_tungstenite::tungstenite::http::Uri;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear: loopback and memory.
    Ws,
    /// Inside TLS.
    Wss,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// The part of a WebSocket URL before its path. Shown as a base URL, without a port that the scheme implies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    /// As in the URL: an IPv6 address keeps its brackets.
    host: String,
    port: u16,
}

/// Why a text is not a base URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No URL at all.
    #[error("`{0}` is not a URL")]
    Syntax(String),
    /// Neither `ws` nor `wss`.
    #[error("`{0}` does not begin with ws:// or wss://")]
    Scheme(String),
    /// More than scheme, host and port; nothing is dropped in silence.
    #[error("`{0}` holds more than a scheme, a host and a port")]
    Excess(String),
}

impl Endpoint {
    /// Reads a base URL such as `wss://fstream.binance.com` or `ws://127.0.0.1:9443`; one `/` may follow.
    ///
    /// # Errors
    ///
    /// When the text is no URL, has another scheme, or holds a path, a query or credentials.
    pub fn parse(base_url: &str) -> Result<Self, EndpointError> {
        let syntax = || EndpointError::Syntax(base_url.to_owned());
        let uri: Uri = base_url.parse().map_err(|_| syntax())?;
        let scheme = match uri.scheme_str() {
            Some("ws") => Scheme::Ws,
            Some("wss") => Scheme::Wss,
            _ => return Err(EndpointError::Scheme(base_url.to_owned())),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(syntax)?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(EndpointError::Excess(base_url.to_owned()));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() == authority.host() => scheme.port(),
            None => return Err(syntax()),
        };
        Ok(Self { scheme, host: authority.host().to_owned(), port })
    }

    /// How the bytes travel.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, given or implied.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The URL of `path_and_query` here, over `scheme`.
    pub(super) fn url(&self, scheme: Scheme, path_and_query: &str) -> String {
        let Self { host, port, .. } = self;
        let slash = if path_and_query.starts_with('/') { "" } else { "/" };
        if *port == self.scheme.port() && scheme == self.scheme {
            format!("{}://{host}{slash}{path_and_query}", scheme.name())
        } else {
            format!("{}://{host}:{port}{slash}{path_and_query}", scheme.name())
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url(self.scheme, "").trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_give_scheme_host_and_port() {
        for (url, scheme, host, port, shown) in [
            ("wss://fstream.binance.com", Scheme::Wss, "fstream.binance.com", 443, "wss://fstream.binance.com"),
            ("wss://fstream.binance.com:443/", Scheme::Wss, "fstream.binance.com", 443, "wss://fstream.binance.com"),
            ("ws://127.0.0.1:9443", Scheme::Ws, "127.0.0.1", 9443, "ws://127.0.0.1:9443"),
            ("ws://[::1]:9443", Scheme::Ws, "::1", 9443, "ws://[::1]:9443"),
            ("ws://localhost", Scheme::Ws, "localhost", 80, "ws://localhost"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.scheme(), endpoint.host(), endpoint.port()), (scheme, host, port), "{url}");
            assert_eq!(endpoint.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for url in ["", "fstream.binance.com", "https://fapi.binance.com", "file:///etc/passwd", "ws:/x", "/ws"] {
            assert!(
                matches!(Endpoint::parse(url), Err(EndpointError::Scheme(_) | EndpointError::Syntax(_))),
                "{url} was taken"
            );
        }
        for url in ["ws://", "ws://host:", "ws://host:99999", "ws://host:port", "ws://a b", "ws://[::1"] {
            assert_eq!(Endpoint::parse(url), Err(EndpointError::Syntax(url.to_owned())), "{url}");
        }
        for url in ["ws://host/market", "ws://host?x=1", "ws://user:secret@host"] {
            assert_eq!(Endpoint::parse(url), Err(EndpointError::Excess(url.to_owned())), "{url}");
        }
    }

    #[test]
    fn a_url_has_exactly_one_slash_before_the_path() {
        let endpoint = Endpoint::parse("wss://host").unwrap();
        assert_eq!(endpoint.url(Scheme::Wss, "/market/ws"), "wss://host/market/ws");
        assert_eq!(endpoint.url(Scheme::Wss, "market/ws"), "wss://host/market/ws");
        assert_eq!(endpoint.url(Scheme::Ws, "/x"), "ws://host:443/x");
    }
}
