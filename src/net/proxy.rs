//! Through which other machine does a request go?

use std::fmt;

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, in plain.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 5; the proxy looks names up.
    Socks5,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Socks5];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    const fn scheme(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5h",
            other => other.as_str(),
        }
    }
}

/// A proxy, and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What is spoken to it.
    pub protocol: Protocol,
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, if it wants them.
    pub credentials: Option<(String, String)>,
}

impl Proxy {
    /// Its address with the password in it: never to be shown.
    pub(super) fn url(&self) -> String {
        let credentials =
            self.credentials.as_ref().map(|(user, password)| format!("{}:{}@", encoded(user), encoded(password)));
        format!("{}://{}{}:{}", self.protocol.scheme(), credentials.unwrap_or_default(), self.host, self.port)
    }
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Without who we are to it.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.protocol.as_str(), self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_the_url_alone() {
        let credentials = Some(("me".to_owned(), "p@ss:word/".to_owned()));
        let proxy = Proxy { protocol: Protocol::Socks5, host: "proxy.example".to_owned(), port: 1080, credentials };
        assert_eq!(proxy.url(), "socks5h://me:p%40ss%3Aword%2F@proxy.example:1080");
        assert_eq!(
            (proxy.to_string(), format!("{proxy:?}")),
            ("socks5://proxy.example:1080".to_owned(), proxy.to_string())
        );
    }
}
