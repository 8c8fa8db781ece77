//! Why a value could not be taken, on its way from the value up to the row.

use super::kind::Kind;
use crate::error::Error;

/// A fault is behind a pointer, so that a step without one costs no more than a look at a register.
pub(crate) type Step<T = ()> = Result<T, Box<Fault>>;

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The text is not JSON: nothing after this byte can be read.
    Text(Error),
    /// A value does not fit; its column is not known yet.
    Value(Found),
    /// A value does not fit its column.
    Row(Misfit),
    /// A column holds as much as it can.
    Full,
}

/// A value that does not fit, without the value.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Field names, innermost first.
    pub(crate) path: Vec<String>,
    pub(crate) expected: String,
    pub(crate) found: Found,
}

/// What came instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A value of another kind.
    Kind(Kind),
    /// Nothing, where a value is required.
    Nothing,
    /// Text that does not spell a value of the type.
    Text,
    /// Digits after the point that the type has no room for.
    Fraction,
    /// A number that the type has no room for.
    TooLarge,
    /// A date without day, or without time of day.
    PartialDate,
    /// A time with a zone where none can be kept.
    Zone,
    /// A string with half a surrogate pair, which no text can hold.
    HalfPair,
    /// A map key that cannot be cast.
    MapKey,
}

impl Found {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.as_str(),
            Self::Nothing => "nothing",
            Self::Text => "text that does not spell one",
            Self::Fraction => "a number with more digits after the point",
            Self::TooLarge => "a number out of its range",
            Self::PartialDate => "a partial date",
            Self::Zone => "a time with a zone",
            Self::HalfPair => "a string with half a surrogate pair",
            Self::MapKey => "a key that does not spell one",
        }
    }
}

impl From<Error> for Box<Fault> {
    #[cold]
    fn from(error: Error) -> Self {
        Self::new(Fault::Text(error))
    }
}

impl Fault {
    #[cold]
    pub(crate) fn misfit(expected: impl Into<String>, found: Found) -> Box<Self> {
        Box::new(Self::Row(Misfit { path: Vec::new(), expected: expected.into(), found }))
    }

    #[cold]
    pub(crate) fn value(found: Found) -> Box<Self> {
        Box::new(Self::Value(found))
    }

    #[cold]
    pub(crate) fn full() -> Box<Self> {
        Box::new(Self::Full)
    }

    /// Names the expected type, when it is not known yet.
    #[cold]
    pub(crate) fn expecting(self: Box<Self>, expected: impl FnOnce() -> String) -> Box<Self> {
        match *self {
            Self::Value(found) => Self::misfit(expected(), found),
            _ => self,
        }
    }

    /// Names the field around the value.
    #[cold]
    pub(crate) fn within(mut self: Box<Self>, field: &str) -> Box<Self> {
        if let Self::Row(misfit) = &mut *self {
            misfit.path.push(field.to_owned());
        }
        self
    }
}
