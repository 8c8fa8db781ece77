//! Lists with rules of their own.

use super::{
    filters::{SortField, sort, sort_by, visible},
    object::{Body, Ix, Kind},
    show::Show,
    store::Store,
};
use crate::osipi::{
    call::{Answer, Call, Refusal},
    lists::{Page, fits, whole},
};

/// Everything of a kind below an object, in one page.
pub(super) fn all_owned(store: &Store, call: &Call<'_>, ix: Ix, kind: Kind) -> Answer {
    let show = Show::new(store, call)?;
    whole(call, store.owned(ix, kind).filter(|ix| visible(store, *ix)).map(|ix| show.object(ix)).collect())
}

/// `field` must be given; it says what `query` looks at.
fn matching(store: &Store, call: &Call<'_>, all: &mut Vec<Ix>) -> Result<(), Refusal> {
    const FIELDS: [(&str, bool); 3] = [("Name", false), ("Description", true), ("Category", false)];
    call.required("field")?;
    let description = call.word("field", &FIELDS)?;
    let query = call.filled("query");
    all.retain(|ix| {
        let object = store.object(*ix);
        visible(store, *ix) && fits(query, if description { &object.description } else { &object.name })
    });
    sort(store, call, all)
}

/// Templates of a database: `maxCount` without `startIndex`, which is ignored.
pub(super) fn by_field(store: &Store, call: &Call<'_>, ix: Ix, kind: Kind) -> Answer {
    let mut all: Vec<Ix> = store.owned(ix, kind).collect();
    matching(store, call, &mut all)?;
    all.truncate(call.max_count(call.config.limits.default_count)?);
    let show = Show::new(store, call)?;
    whole(call, all.iter().map(|ix| show.object(*ix)).collect())
}

pub(super) fn analyses_of_database(store: &Store, call: &Call<'_>, ix: Ix) -> Answer {
    let mut all: Vec<Ix> = store
        .all()
        .filter(|at| store.object(*at).kind == Kind::Analysis && store.within(*at, Kind::AssetDatabase) == Some(ix))
        .collect();
    matching(store, call, &mut all)?;
    let show = Show::new(store, call)?;
    Page::of(call)?.answer(call, &all, |ix| show.object(*ix))
}

/// The attributes on the first level of elements; neither hidden nor excluded ones.
pub(super) fn element_attributes(store: &Store, call: &Call<'_>, ix: Ix) -> Answer {
    let below = |at: &Ix| {
        let mut owner = store.object(*at).owner;
        let full = call.flag("searchFullHierarchy", false).unwrap_or(false);
        while let Some(found) = owner {
            if found == ix {
                return true;
            }
            owner = if full { store.object(found).owner } else { None };
        }
        false
    };
    call.flag("searchFullHierarchy", false)?;
    let mut all: Vec<Ix> = Vec::new();
    for element in store.all().filter(|at| store.object(*at).kind == Kind::Element && visible(store, *at)) {
        let object = store.object(element);
        let wanted = fits(call.filled("elementNameFilter"), &object.name)
            && fits(call.filled("elementDescriptionFilter"), &object.description)
            && super::filters::in_category(store, element, call.filled("elementCategory"))
            && super::filters::of_template(store, element, call.filled("elementTemplate"));
        if wanted && below(&element) {
            all.extend(store.owned(element, Kind::Attribute));
        }
    }
    all.retain(|ix| {
        let Some(attribute) = store.attribute(*ix) else { return false };
        let object = store.object(*ix);
        visible(store, *ix)
            && !attribute.excluded
            && !attribute.hidden
            && fits(call.filled("attributeNameFilter"), &object.name)
            && fits(call.filled("attributeDescriptionFilter"), &object.description)
            && super::filters::in_category(store, *ix, call.filled("attributeCategory"))
            && call.filled("attributeType").is_none_or(|wanted| attribute.value_type.eq_ignore_ascii_case(wanted))
    });
    sort(store, call, &mut all)?;
    let show = Show::new(store, call)?;
    Page::of(call)?.answer(call, &all, |ix| show.object(*ix))
}

/// The attribute templates of an element template: with `showInherited` those of its base templates too, with
/// `showDescendants` the nested ones.
pub(super) fn attribute_templates(store: &Store, call: &Call<'_>, ix: Ix) -> Answer {
    let (inherited, descendants) = (call.flag("showInherited", false)?, call.flag("showDescendants", false)?);
    let mut all: Vec<Ix> = Vec::new();
    let mut template = Some(ix);
    while let Some(at) = template {
        all.extend(store.owned(at, Kind::AttributeTemplate));
        template = match &store.object(at).body {
            Body::Template(template) if inherited => template.base,
            _ => None,
        };
    }
    if descendants {
        let mut at = 0;
        while at < all.len() {
            all.extend(store.owned(all[at], Kind::AttributeTemplate));
            at += 1;
        }
    }
    all.retain(|ix| visible(store, *ix));
    sort(store, call, &mut all)?;
    let show = Show::new(store, call)?;
    Page::of(call)?.answer(call, &all, |ix| show.object(*ix))
}

pub(super) fn analysis_templates_of(store: &Store, call: &Call<'_>, ix: Ix) -> Answer {
    let database = store.within(ix, Kind::AssetDatabase);
    let of = |at: &Ix| matches!(&store.object(*at).body, Body::AnalysisTemplate(found) if found.target == Some(ix));
    let mut all: Vec<Ix> = database
        .into_iter()
        .flat_map(|database| store.owned(database, Kind::AnalysisTemplate))
        .filter(|at| of(at) && visible(store, *at))
        .collect();
    sort_by(store, SortField::Name, false, &mut all);
    let show = Show::new(store, call)?;
    whole(call, all.iter().map(|ix| show.object(*ix)).collect())
}

pub(super) fn annotations(store: &Store, call: &Call<'_>, ix: Ix, id: Option<&str>) -> Answer {
    let show = Show::new(store, call)?;
    let all = store.frame(ix).map(|frame| frame.annotations.as_slice()).unwrap_or_default();
    let Some(id) = id else { return whole(call, all.iter().map(|one| show.annotation(ix, one)).collect()) };
    let found = all.iter().find(|one| one.id.to_string().eq_ignore_ascii_case(id));
    let found = found.ok_or_else(|| Refusal::absent(format!("The annotation '{id}' was not found.")))?;
    call.ok(show.annotation(ix, found))
}
