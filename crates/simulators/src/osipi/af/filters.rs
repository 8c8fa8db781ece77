//! What list routes leave out and in which order they come.

use super::{
    object::{Ix, Kind},
    store::Store,
};
use crate::osipi::{
    call::{Call, Refusal},
    lists::fits,
};

/// `sortField` of AF lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortField {
    Name,
    Id,
    Type,
    Start,
    End,
}

const FIELDS: [(&str, SortField); 5] = [
    ("Name", SortField::Name),
    ("ID", SortField::Id),
    ("Type", SortField::Type),
    ("StartTime", SortField::Start),
    ("EndTime", SortField::End),
];

/// Sorts as `sortField` and `sortOrder` say: by name, ascending. Objects that are equal in that field come in an order
/// of their own, always the same.
pub(super) fn sort(store: &Store, call: &Call<'_>, all: &mut [Ix]) -> Result<(), Refusal> {
    let field = call.word("sortField", &FIELDS)?;
    let descending = call.word("sortOrder", &[("Ascending", false), ("Descending", true)])?;
    sort_by(store, field, descending, all);
    Ok(())
}

pub(super) fn sort_by(store: &Store, field: SortField, descending: bool, all: &mut [Ix]) {
    let frame = |ix: &Ix| store.frame(*ix);
    all.sort_by_cached_key(|ix| store.object(*ix).id);
    match field {
        SortField::Name => all.sort_by_cached_key(|ix| store.object(*ix).name.to_uppercase()),
        SortField::Id => {}
        SortField::Type => all.sort_by_cached_key(|ix| store.name_of(store.template_of(*ix)).to_owned()),
        SortField::Start => all.sort_by_key(|ix| frame(ix).map(|frame| frame.start)),
        SortField::End => {
            all.sort_by_key(|ix| frame(ix).map(|frame| frame.end.unwrap_or(crate::osipi::ticks::Ticks::END)));
        }
    }
    if descending {
        all.reverse();
    }
}

/// Whether the user can see it at all.
pub(super) fn visible(store: &Store, ix: Ix) -> bool {
    let object = store.object(ix);
    !object.deleted && !object.denied
}

/// Whether an object is made from that template or one derived from it; no name fits all.
pub(super) fn of_template(store: &Store, ix: Ix, name: Option<&str>) -> bool {
    let Some(name) = name else { return true };
    let mut at = store.template_of(ix);
    while let Some(template) = at {
        if store.object(template).name.eq_ignore_ascii_case(name) {
            return true;
        }
        at = match &store.object(template).body {
            super::object::Body::Template(template) => template.base,
            _ => None,
        };
    }
    false
}

pub(super) fn in_category(store: &Store, ix: Ix, name: Option<&str>) -> bool {
    name.is_none_or(|name| store.category_names(ix).iter().any(|category| category.eq_ignore_ascii_case(name)))
}

/// The elements below an element or database that fit the call.
pub(super) fn elements(store: &Store, call: &Call<'_>, root: Ix) -> Result<Vec<Ix>, Refusal> {
    let full = call.flag("searchFullHierarchy", false)?;
    let element_type = call.filled("elementType").filter(|wanted| !wanted.eq_ignore_ascii_case("Any"));
    let mut all = children(store, root);
    if full {
        let mut seen: std::collections::HashSet<Ix> = all.iter().copied().chain([root]).collect();
        let mut at = 0;
        while at < all.len() {
            for child in children(store, all[at]) {
                if seen.insert(child) {
                    all.push(child);
                }
            }
            at += 1;
        }
    }
    all.retain(|ix| {
        let object = store.object(*ix);
        visible(store, *ix)
            && fits(call.filled("nameFilter"), &object.name)
            && fits(call.filled("descriptionFilter"), &object.description)
            && in_category(store, *ix, call.filled("categoryName"))
            && of_template(store, *ix, call.filled("templateName"))
            && element_type.is_none_or(|wanted| {
                store.element(*ix).is_some_and(|element| element.element_type.eq_ignore_ascii_case(wanted))
            })
    });
    sort(store, call, &mut all)?;
    Ok(all)
}

/// The child elements, the referenced ones too, that exist.
fn children(store: &Store, ix: Ix) -> Vec<Ix> {
    let referenced = store.element(ix).map(|element| element.referenced.as_slice()).unwrap_or_default();
    let referenced = referenced.iter().copied().filter(|child| !store.object(*child).deleted);
    store.owned(ix, Kind::Element).chain(referenced).collect()
}

/// The attributes of an element, event frame or attribute that fit the call.
pub(super) fn attributes(store: &Store, call: &Call<'_>, root: Ix) -> Result<Vec<Ix>, Refusal> {
    let full = call.flag("searchFullHierarchy", false)?;
    let (excluded, hidden) = (call.flag("showExcluded", false)?, call.flag("showHidden", false)?);
    let traits: Vec<&str> = call.all("trait").filter(|text| !text.is_empty()).collect();
    let value_type = call.filled("valueType");
    let mut all: Vec<Ix> = store.owned(root, Kind::Attribute).collect();
    if full {
        let mut at = 0;
        while at < all.len() {
            all.extend(store.owned(all[at], Kind::Attribute));
            at += 1;
        }
    }
    all.retain(|ix| {
        let Some(attribute) = store.attribute(*ix) else { return false };
        visible(store, *ix)
            && (excluded || !attribute.excluded)
            && (hidden || !attribute.hidden)
            && fits(call.filled("nameFilter"), &store.object(*ix).name)
            && in_category(store, *ix, call.filled("categoryName"))
            && value_type.is_none_or(|wanted| attribute.value_type.eq_ignore_ascii_case(wanted))
            && (traits.is_empty() || traits.iter().any(|wanted| attribute.trait_name.eq_ignore_ascii_case(wanted)))
            && (call.filled("templateName").is_none()
                || of_template(store, store.attribute_owner(*ix), call.filled("templateName")))
    });
    sort(store, call, &mut all)?;
    Ok(all)
}
