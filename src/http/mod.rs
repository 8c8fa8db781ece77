//! The one HTTP client of all sources.
