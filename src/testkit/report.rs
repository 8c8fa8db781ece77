//! What the suite found.

use std::fmt;

use super::{check::Check, witness::Witness};

/// What one check found on one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// The table, with ` (deletes)` after it for its deletions; the source itself when absent.
    pub table: Option<String>,
    /// How it went.
    pub outcome: Outcome,
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule held; what was tried.
    Passed(String),
    /// The rule was broken; how, in one sentence.
    Failed(String),
    /// The rule could not be tried; why.
    NotApplicable(String),
}

/// Why a check ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(String),
    NotApplicable(String),
}

/// What a check returns: what it tried when all went well.
pub(crate) type Verdict = Result<String, Stop>;

/// A broken rule.
pub(crate) fn failed<T>(sentence: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(sentence.into()))
}

/// A rule that cannot be tried here.
pub(crate) fn not_applicable<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::NotApplicable(reason.into()))
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Ok(tried) => Self::Passed(tried),
            Err(Stop::Failed(sentence)) => Self::Failed(sentence),
            Err(Stop::NotApplicable(reason)) => Self::NotApplicable(reason),
        }
    }
}

/// All findings of a run. `Display` prints one line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn push(&mut self, check: Check, table: Option<String>, verdict: Verdict) {
        self.findings.push(Finding { check, table, outcome: verdict.into() });
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.findings.append(&mut other.findings);
    }

    /// Blots out what the connector's own texts should not have said.
    pub(crate) fn redact(&mut self, witness: &Witness) {
        for finding in &mut self.findings {
            let (Outcome::Passed(text) | Outcome::Failed(text) | Outcome::NotApplicable(text)) = &mut finding.outcome;
            *text = witness.redact(text);
        }
    }

    /// The findings, in the order in which they were made.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings that broke a rule.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| matches!(f.outcome, Outcome::Failed(_)))
    }

    /// Whether this check broke its rule on any table.
    pub fn failed(&self, check: Check) -> bool {
        self.failures().any(|f| f.check == check)
    }

    /// Whether this check held its rule on at least one table and broke it on none.
    pub fn passed(&self, check: Check) -> bool {
        let held = |f: &Finding| f.check == check && matches!(f.outcome, Outcome::Passed(_));
        self.findings.iter().any(held) && !self.failed(check)
    }

    /// For tests: panics with the whole report when a rule was broken or nothing was checked.
    ///
    /// # Panics
    /// As said.
    #[allow(clippy::panic)]
    #[track_caller]
    pub fn assert_passed(&self) {
        let broken = self.failures().count();
        assert!(broken == 0, "{broken} of {} checks failed\n{self}", self.findings.len());
        assert!(!self.findings.is_empty(), "nothing was checked: the source lists no tables");
    }

    /// For tests: as [`Report::assert_passed`], and panics when one of these checks could not be tried on any table.
    ///
    /// # Panics
    /// As said.
    #[allow(clippy::panic)]
    #[track_caller]
    pub fn assert_proved(&self, checks: &[Check]) {
        self.assert_passed();
        for check in checks {
            assert!(self.passed(*check), "'{check}' was not tried on any table\n{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match &self.outcome {
            Outcome::Passed(text) => ("passed", text),
            Outcome::Failed(text) => ("FAILED", text),
            Outcome::NotApplicable(text) => ("skipped", text),
        };
        write!(f, "{word:7} {:24} {}: {text}", self.check, self.table.as_deref().unwrap_or("source"))
    }
}
