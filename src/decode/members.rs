//! Reading an object's members by name, for what stands around the records.

use super::{
    keys::{Hint, KeyTable},
    scanner::Scanner,
};
use crate::error::Result;

/// Names that are looked for in objects of one kind, each with what it stands for.
#[derive(Debug)]
pub(crate) struct Names<T> {
    table: KeyTable,
    meanings: Box<[T]>,
}

/// One object being read.
pub(crate) struct Members<'a, T> {
    names: &'a Names<T>,
    hint: Hint<'a>,
}

/// The key of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member<T> {
    Known(T),
    Other,
}

impl<T: Copy> Names<T> {
    /// The names must differ.
    pub(crate) fn new(names: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let (names, meanings): (Vec<String>, Vec<T>) = names.into_iter().map(|(n, t)| (n.to_owned(), t)).unzip();
        Self { table: KeyTable::new(&names), meanings: meanings.into() }
    }

    /// Steps into an object; then call [`Members::next`] until it returns `None`, reading one value after each key.
    ///
    /// # Errors
    /// As [`Scanner::enter_object`].
    #[inline]
    pub(crate) fn enter(&self, scanner: &mut Scanner) -> Result<Members<'_, T>> {
        scanner.enter_object()?;
        Ok(Members { names: self, hint: self.table.first_hint() })
    }
}

impl<T: Copy> Members<'_, T> {
    /// The next member's key, or `None` after the last, having left the object.
    ///
    /// # Errors
    /// As [`Scanner::next_key`].
    #[inline]
    pub(crate) fn next(&mut self, scanner: &mut Scanner) -> Result<Option<Member<T>>> {
        let mut place = if scanner.is_fresh() { None } else { self.names.table.follow(scanner, &mut self.hint) };
        if place.is_none() {
            if !scanner.next_member()? {
                return Ok(None);
            }
            place = self.names.table.read(scanner, &mut self.hint)?;
        }
        Ok(Some(place.and_then(|place| self.names.meanings.get(place)).map_or(Member::Other, |t| Member::Known(*t))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_apart_in_any_order() {
        let names = Names::new([("resource", 'r'), ("search", 's')]);
        for (text, want) in [
            (r#"{"fullUrl":"u","resource":{},"search":{"mode":"match"}}"#, vec![None, Some('r'), Some('s')]),
            (r#"{ "search" : 1 , "re\u0073ource": 2 }"#, vec![Some('s'), Some('r')]),
            ("{}", vec![]),
        ] {
            let mut scanner = Scanner::new(text);
            let mut members = names.enter(&mut scanner).unwrap();
            let mut found = Vec::new();
            while let Some(member) = members.next(&mut scanner).unwrap() {
                found.push(match member {
                    Member::Known(name) => Some(name),
                    Member::Other => None,
                });
                scanner.skip().unwrap();
            }
            scanner.end().unwrap();
            assert_eq!(found, want, "{text}");
        }
    }
}
