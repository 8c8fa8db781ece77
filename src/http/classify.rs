//! What to do about the outcome of one try. *How long* to wait is in `backoff`.

/// How one try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server answered with this status; the body is not read yet.
    Status(u16),
    /// No connection: refused, reset, name not resolved, timed out.
    Unreachable,
    /// The server answered with this status, and says in the body that the request itself is at fault.
    Refused(u16),
    /// A connection, but no whole answer: timed out, reset, or the body broke off.
    Broken,
    /// A whole answer with a good status, whose body says that it is an error.
    Faulty,
    /// There is no such host.
    Unknown,
    /// The server's certificate was not accepted.
    Untrusted,
}

/// What a try has to go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Sending the request twice does no harm.
    pub(super) idempotent: bool,
    /// The caller wants this status as an answer.
    pub(super) accepted: bool,
    /// The credential can be fetched anew and was not yet.
    pub(super) refreshable: bool,
    /// The method may follow a redirect: GET or HEAD.
    pub(super) redirectable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Hand the answer to the caller.
    Accept,
    /// Go where the server points.
    Redirect,
    /// Fetch a new credential, then send once more.
    Refresh,
    /// Wait, then send again.
    Retry,
    /// Give up.
    Fail,
}

pub(super) fn classify(outcome: Outcome, facts: Facts) -> Action {
    let retry = if facts.idempotent { Action::Retry } else { Action::Fail };
    match outcome {
        Outcome::Status(_) if facts.accepted => Action::Accept,
        Outcome::Status(200..=299) => Action::Accept,
        Outcome::Status(301 | 302 | 303 | 307 | 308) if facts.redirectable => Action::Redirect,
        Outcome::Status(401) if facts.refreshable => Action::Refresh,
        Outcome::Status(status) if is_transient(status) => retry,
        Outcome::Unreachable | Outcome::Broken | Outcome::Faulty => retry,
        Outcome::Status(_) | Outcome::Refused(_) | Outcome::Unknown | Outcome::Untrusted => Action::Fail,
    }
}

/// Whether the same request may succeed later.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Whether the server says that it is asked too much.
pub(super) fn is_overload(status: u16) -> bool {
    matches!(status, 429 | 503)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Facts = Facts { idempotent: true, accepted: false, refreshable: false, redirectable: true };

    #[test]
    fn the_table() {
        use Action::*;
        for (outcomes, wanted) in [
            (vec![200, 201, 202, 204, 206], Accept),
            (vec![301, 302, 303, 307, 308], Redirect),
            (vec![408, 425, 429, 500, 502, 503, 504], Retry),
            (vec![300, 304, 400, 401, 403, 404, 405, 406, 409, 410, 412, 422, 501, 505, 599], Fail),
        ] {
            for status in outcomes {
                assert_eq!(classify(Outcome::Status(status), PLAIN), wanted, "{status}");
            }
        }
        assert_eq!(classify(Outcome::Refused(500), PLAIN), Fail);
        assert_eq!(classify(Outcome::Unreachable, PLAIN), Retry);
        assert_eq!(classify(Outcome::Broken, PLAIN), Retry);
        assert_eq!(classify(Outcome::Faulty, PLAIN), Retry);
        assert_eq!(classify(Outcome::Unknown, PLAIN), Fail);
        assert_eq!(classify(Outcome::Untrusted, PLAIN), Fail);
    }

    #[test]
    fn what_is_not_idempotent_is_never_sent_twice_after_it_may_have_arrived() {
        let facts = Facts { idempotent: false, ..PLAIN };
        for outcome in [Outcome::Status(503), Outcome::Status(429), Outcome::Broken, Outcome::Unreachable] {
            assert_eq!(classify(outcome, facts), Action::Fail, "{outcome:?}");
        }
    }

    #[test]
    fn a_refused_credential_is_fetched_anew_once_and_an_accepted_status_is_an_answer() {
        assert_eq!(classify(Outcome::Status(401), Facts { refreshable: true, ..PLAIN }), Action::Refresh);
        for status in [404, 410, 401, 503] {
            let facts = Facts { accepted: true, refreshable: true, ..PLAIN };
            assert_eq!(classify(Outcome::Status(status), facts), Action::Accept);
        }
        assert_eq!(classify(Outcome::Status(307), Facts { redirectable: false, ..PLAIN }), Action::Fail);
    }
}
