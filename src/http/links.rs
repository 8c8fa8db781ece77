//! Which addresses a server may send us to.
//!
//! A link in an answer, or a redirect, is text that the server controls. It is followed when it stays on the origin of the
//! base address, names a host in `allowed_link_hosts`, or `rewrite_link_host` puts it back on the base's origin. Anything
//! else is an error: going on without credentials would read only part of the data.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, ParseError, Url};

use super::redact;
use crate::error::{Error, ErrorKind, Result};

/// Longest link that is looked at, in bytes.
const MAX_LINK: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct LinkPolicy {
    base: Url,
    allowed: Vec<AllowedHost>,
    rewrite: bool,
    allow_insecure: bool,
}

impl LinkPolicy {
    /// `base` must have passed [`checked_base`].
    pub(super) fn new(base: Url, allowed: &[String], rewrite: bool, allow_insecure: bool) -> Result<Self> {
        let allowed = allowed.iter().map(|entry| AllowedHost::parse(entry)).collect::<Result<_>>()?;
        Ok(Self { base, allowed, rewrite, allow_insecure })
    }

    /// The address that a link in an answer stands for. `current` is the address of that answer.
    ///
    /// Relative links are relative to the base, as FHIR and PI mean them: a leading `/` does not drop the base's path
    /// (`/Patient` and `/fhir/Patient` are the same under `https://host/fhir`); a link that is only a query keeps
    /// the path of `current`. A relative link never leaves the base's path.
    pub(super) fn resolve(&self, current: Option<&Url>, link: &str) -> Result<Url> {
        if link.len() > MAX_LINK {
            return Err(self.refused("the server sent a link that is too long").with("bytes", link.len()));
        }
        let link = link.trim();
        match Url::parse(link) {
            Ok(url) => self.admit(url),
            Err(ParseError::RelativeUrlWithoutBase) => self.admit(self.relative(current, link)?),
            Err(_) => Err(self.invalid()),
        }
    }

    /// Where a redirect from `from` leads.
    pub(super) fn redirect(&self, from: &Url, location: &str) -> Result<Url> {
        if location.len() > MAX_LINK {
            return Err(self.refused("the server sent a redirect that is too long").with("bytes", location.len()));
        }
        let target = self.admit(from.join(location.trim()).map_err(|_| self.invalid())?)?;
        if from.scheme() == "https" && target.scheme() != "https" {
            return Err(self
                .refused("the server redirects from https to http")
                .with("link_host", redact::origin(&target)));
        }
        Ok(target)
    }

    /// Checks an absolute address, and rewrites its host where the option says so.
    pub(super) fn admit(&self, mut url: Url) -> Result<Url> {
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(self
                .refused("the server sent a link that is not an http address")
                .with("scheme", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.refused("the server sent a link with a user name in it"));
        }
        if self.is_own(&url) {
            return Ok(url);
        }
        let link_host = redact::origin(&url);
        if !self.allowed.iter().any(|host| host.matches(&url)) {
            if self.rewrite {
                return self.rewritten(&url);
            }
            return Err(self.refused("the server sent a link to another host").with("link_host", link_host).help(
                "if that host belongs to the server add it to allowed_link_hosts; if it is the server's internal name set rewrite_link_host=true",
            ));
        }
        if self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(self.refused("the server sent a link from https to http").with("link_host", link_host));
        }
        if !is_secure_enough(&url, self.allow_insecure) {
            return Err(self
                .refused("the server sent a link to a host that is only reached by plain http")
                .with("link_host", link_host)
                .help("set allow_insecure=true if data may travel unprotected"));
        }
        if is_internal(&url) && !is_internal(&self.base) {
            return Err(self
                .refused("the server sent a link to a local or cloud metadata address")
                .with("link_host", link_host));
        }
        Ok(url)
    }

    /// Whether an address has scheme, host and port of the base.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    fn relative(&self, current: Option<&Url>, link: &str) -> Result<Url> {
        let base = &self.base;
        let join = |link: &str| base.join(link).map_err(|_| self.invalid());
        if link.starts_with("//") {
            return join(link);
        }
        if link.is_empty() || link.starts_with(['?', '#']) {
            return current.unwrap_or(base).join(link).map_err(|_| self.invalid());
        }
        let path = &link[..link.find(['?', '#']).unwrap_or(link.len())];
        let url = match link.strip_prefix('/') {
            Some(_) if is_below(path, base) => join(link)?,
            Some(rest) => join(&format!("./{rest}"))?,
            None => join(&format!("./{link}"))?,
        };
        if url.origin() == base.origin() && !is_below(url.path(), base) {
            return Err(self.refused("the server sent a link that climbs above the base address"));
        }
        Ok(url)
    }

    fn rewritten(&self, url: &Url) -> Result<Url> {
        let mut own = self.base.clone();
        own.set_path(url.path());
        own.set_query(url.query());
        Ok(own)
    }

    fn refused(&self, message: &'static str) -> Error {
        Error::new(ErrorKind::Protocol, message).with("base_host", redact::origin(&self.base))
    }

    fn invalid(&self) -> Error {
        self.refused("the server sent a link that is not a valid address")
    }
}

/// Whether a path is the base's path or below it.
fn is_below(path: &str, base: &Url) -> bool {
    path.starts_with(base.path()) || base.path().strip_suffix('/') == Some(path)
}

/// The base address in the form that everything else relies on: its path ends with `/`, nothing comes after.
pub(super) fn checked_base(mut base: Url, allow_insecure: bool) -> Result<Url> {
    let bad = |message: &'static str| Error::new(ErrorKind::Config, message);
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
        return Err(bad("the server's address must begin with http:// or https://"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(bad("the server's address must not hold a user name or password")
            .help("give them in the options made for them"));
    }
    if base.query().is_some() {
        return Err(bad("the server's address must not have a query"));
    }
    if !is_secure_enough(&base, allow_insecure) {
        return Err(bad("plain http is only allowed to this machine")
            .with("host", redact::origin(&base))
            .help("use https, or set allow_insecure=true if credentials and data may travel unprotected"));
    }
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}

/// Whether an address is https, this machine, or exempt.
pub(super) fn is_secure_enough(url: &Url, allow_insecure: bool) -> bool {
    url.scheme() == "https" || allow_insecure || is_loopback(url)
}

/// Whether an address is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.is_loopback(),
            None => ip.is_loopback(),
        },
        None => false,
    }
}

/// Whether an address is one that only makes sense from inside: this machine, this link, a cloud's metadata service.
pub(super) fn is_internal(url: &Url) -> bool {
    const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let ip: IpAddr = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            return is_loopback(url) || name == "metadata" || name.ends_with("metadata.google.internal");
        }
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.to_canonical(),
        None => return false,
    };
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || METADATA_V4.contains(&ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified() || ip == METADATA_V6,
    }
}

/// One entry of `allowed_link_hosts`.
#[derive(Debug)]
struct AllowedHost {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    fn parse(entry: &str) -> Result<Self> {
        let bad = || {
            Error::new(
                ErrorKind::Config,
                "'allowed_link_hosts' must be hosts, as in files.example.org or https://files.example.org:8443",
            )
        };
        let scheme = entry.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        // A port that is a scheme's default is dropped by the parser: a scheme without one keeps what was written.
        let authority = entry.split_once("://").map_or(entry, |(_, rest)| rest);
        let url = Url::parse(&format!("ftp://{authority}")).map_err(|_| bad())?;
        let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
        let known = scheme.as_deref().is_none_or(|s| matches!(s, "http" | "https"));
        match url.host_str() {
            Some(host) if plain && known => Ok(Self { scheme, host: host.to_owned(), port: url.port() }),
            _ => Err(bad()),
        }
    }

    fn matches(&self, url: &Url) -> bool {
        let default = match url.scheme() {
            "http" => 80,
            _ => 443,
        };
        url.host_str() == Some(self.host.as_str())
            && self.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme())
            && url.port_or_known_default() == Some(self.port.unwrap_or(default))
    }
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
