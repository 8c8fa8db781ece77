//! Cookies of the server itself: a balancer in front of several machines tells by them which one has answered before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// What a server may have remembered here.
const MOST: usize = 50;
const LONGEST: usize = 4096;

/// The cookies of one client, for its server's own origin; kept until the client is dropped, and nowhere else.
#[derive(Default)]
pub(super) struct Cookies(Mutex<Vec<Cookie>>);

struct Cookie {
    name: String,
    value: String,
    path: String,
    secure: bool,
    /// When it ends; with the client where that is not told.
    ends: Option<DateTime<Utc>>,
}

impl Cookies {
    fn all(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an answer from `at` sets, and drops what it takes back.
    pub(super) fn keep(&self, headers: &HeaderMap, at: &Url, now: DateTime<Utc>) {
        let mut set = headers.get_all(SET_COOKIE).iter().filter_map(|line| Cookie::parse(line, at, now)).peekable();
        if set.peek().is_none() {
            return;
        }
        let mut all = self.all();
        for cookie in set {
            all.retain(|other| (&other.name, &other.path) != (&cookie.name, &cookie.path));
            if !cookie.has_ended(now) && all.len() < MOST {
                all.push(cookie);
            }
        }
    }

    /// The `Cookie` header of a request, after what else it has of that kind.
    pub(super) fn header(&self, given: Option<&HeaderValue>, at: &Url, now: DateTime<Utc>) -> Option<HeaderValue> {
        let all = self.all();
        let wanted = all.iter().filter(|cookie| !cookie.has_ended(now) && cookie.goes_to(at));
        let own: Vec<String> = wanted.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        if own.is_empty() {
            return None;
        }
        let given = given.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut value = HeaderValue::try_from(given.into_iter().chain(own).collect::<Vec<_>>().join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The values, for errors that must not show them.
    pub(super) fn values(&self) -> Vec<String> {
        self.all().iter().map(|cookie| cookie.value.clone()).collect()
    }
}

impl Cookie {
    /// `name=value; Path=/; Max-Age=60`; `None` for what is not a cookie of this server.
    fn parse(line: &HeaderValue, at: &Url, now: DateTime<Utc>) -> Option<Self> {
        let line = line.to_str().ok().filter(|line| line.len() <= LONGEST)?;
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return None;
        }
        let folder = at.path().rsplit_once('/').map_or("/", |(folder, _)| folder);
        let mut cookie =
            Self { name: name.into(), value: value.into(), path: folder.into(), secure: false, ends: None };
        let mut lasts = None;
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "secure" => cookie.secure = true,
                "max-age" => lasts = value.parse::<i64>().ok(),
                "expires" => cookie.ends = DateTime::parse_from_rfc2822(value).ok().map(|ends| ends.to_utc()),
                "domain" => {
                    let (host, domain) = (at.host_str()?, value.trim_start_matches('.').to_ascii_lowercase());
                    let is_own = host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
                    if !is_own {
                        return None;
                    }
                }
                _ => {}
            }
        }
        if let Some(seconds) = lasts {
            cookie.ends = Duration::try_seconds(seconds).and_then(|lasts| now.checked_add_signed(lasts));
        }
        Some(cookie)
    }

    fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    fn goes_to(&self, at: &Url) -> bool {
        let folder = self.path.trim_end_matches('/');
        let below = at.path().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below && (!self.secure || at.scheme() == "https")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn after(lines: &[&str]) -> Cookies {
        let cookies = Cookies::default();
        for line in lines {
            let headers = [(SET_COOKIE, HeaderValue::from_str(line).unwrap())].into_iter().collect();
            cookies.keep(&headers, &"https://pi.example.org/piwebapi/batch".parse().unwrap(), now());
        }
        cookies
    }

    fn sent(cookies: &Cookies, to: &str, given: Option<&'static str>) -> Option<String> {
        let given = given.map(HeaderValue::from_static);
        let header = cookies.header(given.as_ref(), &to.parse().unwrap(), now())?;
        assert!(header.is_sensitive());
        Some(header.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_a_server_sets_goes_back_to_it_until_it_ends() {
        let here = "https://pi.example.org/piwebapi/streams";
        let cookies = after(&["node=a1; Path=/; HttpOnly", "node=b2; path=/", "plain=1"]);
        assert_eq!(sent(&cookies, here, None).unwrap(), "node=b2; plain=1");
        assert_eq!(sent(&cookies, here, Some("own=x")).unwrap(), "own=x; node=b2; plain=1");
        assert_eq!(sent(&cookies, "https://pi.example.org/elsewhere", None).unwrap(), "node=b2");
        assert_eq!(sent(&cookies, "https://pi.example.org/piwebapifoo", None).unwrap(), "node=b2");
        let ended = ["x=1; Path=/", "x=; Path=/; Max-Age=0", "y=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT"];
        assert_eq!(sent(&after(&ended), here, None), None);
        let lasting = after(&["x=1; Max-Age=60; Expires=Wed, 21 Oct 2015 07:28:00 GMT"]);
        assert_eq!(sent(&lasting, here, None).unwrap(), "x=1");
        assert_eq!(lasting.values(), ["1"]);
    }

    #[test]
    fn what_is_not_of_this_server_or_no_cookie_is_not_kept() {
        let lines = ["x=1; Domain=example.com", "nothing", "=1", "y=1; Domain=.example.org", "z=1; Secure"];
        let cookies = after(&lines);
        assert_eq!(sent(&cookies, "https://pi.example.org/piwebapi/x", None).unwrap(), "y=1; z=1");
        assert_eq!(sent(&cookies, "http://pi.example.org/piwebapi/x", None).unwrap(), "y=1");
        let long = format!("x={}", "1".repeat(LONGEST));
        let many: Vec<String> = (0..100).map(|n| format!("c{n}=1")).chain([long]).collect();
        let many = after(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(many.values().len(), MOST);
    }
}
