//! What an option is called, means and accepts.

/// One option of a source.
#[derive(Clone, Copy, Debug)]
pub struct OptionDoc {
    /// Its name; names ignore case when given.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// Whether it belongs to the connection or to a table.
    pub level: Level,
    /// What values it takes.
    pub kind: OptionKind,
    /// The value when it is not given, as a user would write it.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// One or two sentences: meaning, unit, bounds.
    pub about: &'static str,
    /// The field of the option struct that holds this option's group; `None`: the option is a field of the struct itself.
    pub group: Option<&'static str>,
}

impl OptionDoc {
    /// An optional connection option.
    pub const fn connection(name: &'static str, kind: OptionKind, about: &'static str) -> Self {
        Self { name, aliases: &[], level: Level::Connection, kind, default: None, required: false, about, group: None }
    }

    /// An optional table option.
    pub const fn table(name: &'static str, kind: OptionKind, about: &'static str) -> Self {
        Self { name, aliases: &[], level: Level::Table, kind, default: None, required: false, about, group: None }
    }

    /// Sets the default.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Makes it required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets other names that mean the same.
    #[must_use]
    pub const fn aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// Puts it into a group: the option struct has a field of that name, itself a struct with the group's options.
    ///
    /// Users see one flat list of names all the same.
    #[must_use]
    pub const fn group(mut self, field: &'static str) -> Self {
        self.group = Some(field);
        self
    }

    /// Whether this is its name, or one of its other names; case does not count.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Whether its value must never be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, OptionKind::Secret | OptionKind::Headers)
    }
}

/// One list out of several, for a source that takes shared options beside its own.
///
/// ```
/// use lakeflow_connect::{http::HTTP_OPTIONS, options::{OptionDoc, OptionKind, joined}};
/// const OWN: &[OptionDoc] = &[OptionDoc::connection("base_url", OptionKind::Url, "The server's address.").required()];
/// const OPTIONS: &[OptionDoc] = &joined::<{ OWN.len() + HTTP_OPTIONS.len() }>(&[OWN, HTTP_OPTIONS]);
/// assert!(OPTIONS.iter().any(|o| o.name == "max_retries"));
/// ```
///
/// # Panics
/// When `N` is not the sum of the lengths; in a constant that is an error of the compiler.
pub const fn joined<const N: usize>(lists: &[&[OptionDoc]]) -> [OptionDoc; N] {
    let mut all = [OptionDoc::connection("", OptionKind::Text, ""); N];
    let (mut list, mut n) = (0, 0);
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[n] = lists[list][i];
            (i, n) = (i + 1, n + 1);
        }
        list += 1;
    }
    assert!(n == N, "N is not the sum of the lists' lengths");
    all
}

/// The same list with other defaults, for a source whose systems want them.
///
/// # Panics
/// When a name is not in the list; in a constant that is an error of the compiler.
pub const fn redefaulted<const N: usize>(
    list: &[OptionDoc],
    defaults: &[(&'static str, &'static str)],
) -> [OptionDoc; N] {
    let mut all = joined::<N>(&[list]);
    let mut d = 0;
    while d < defaults.len() {
        let (mut i, mut found) = (0, false);
        while i < N {
            if same(all[i].name, defaults[d].0) {
                all[i].default = Some(defaults[d].1);
                found = true;
            }
            i += 1;
        }
        assert!(found, "there is no option of that name");
        d += 1;
    }
    all
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Where an option is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Once, for the connection.
    Connection,
    /// For each table.
    Table,
}

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A credential: never shown.
    Secret,
    /// `true` or `false` (also `t`/`f`, `yes`/`no`, `y`/`n`, `on`/`off`, `1`/`0`), any case.
    Boolean,
    /// A whole number within bounds.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A number, with a fraction if wanted, within bounds.
    Number {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// Seconds, with a fraction if wanted, within bounds.
    Seconds {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// Names, separated by commas or as a JSON array of texts, for names that hold commas.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An absolute http or https address.
    Url,
    /// An instant such as `2024-01-31T00:00:00Z`.
    Instant,
    /// A JSON object.
    Json,
    /// A JSON object of header names and texts. May hold credentials: never shown.
    Headers,
}

impl OptionKind {
    /// The kind in a user's words.
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Secret => "secret text".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max: i64::MAX } => format!("a whole number, {min} or more"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Seconds { min, max } => format!("seconds from {min} to {max}"),
            Self::List => "a list separated by commas, or a JSON array of texts".to_owned(),
            Self::Choice([only]) => (*only).to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Url => "an http or https address".to_owned(),
            Self::Instant => "an instant such as 2024-01-31T00:00:00Z".to_owned(),
            Self::Json => "a JSON object".to_owned(),
            Self::Headers => "a JSON object of header names and texts".to_owned(),
        }
    }
}
