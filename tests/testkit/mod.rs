//! The conformance suite itself: the correct source passes, and each wrong one is caught by the check for its mistake.

mod correct;
mod fixture;
mod mistake;
mod streams;
mod wrong;
