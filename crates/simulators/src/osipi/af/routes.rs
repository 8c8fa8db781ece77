//! The routes of the asset side.

use serde_json::json;

use super::{
    filters::{self, sort, visible},
    frame_search, lists,
    object::{Body, Ix, Kind},
    show::{Show, table_data},
    store::Store,
    traits,
};
use crate::osipi::{
    call::{Answer, Call, Refusal, read_web_id},
    lists::{Page, whole},
    multiple::multiple,
    webid::WebId,
};

/// Answers a call; nothing when there is no such route.
pub(super) fn answer(store: &Store, call: &Call<'_>) -> Option<Answer> {
    let segments = call.segments();
    let (first, rest) = segments.split_first()?;
    if *first == "attributetraits" {
        return match rest {
            [] => Some(traits::answer(call, None)),
            [name] => Some(traits::answer(call, Some(name))),
            _ => None,
        };
    }
    let kind = Kind::of_route(first)?;
    match rest {
        [] => Some(call.only_get().and_then(|()| one_or_servers(store, call, kind))),
        ["multiple"] if matches!(kind, Kind::Element | Kind::Attribute | Kind::EventFrame) => {
            Some(Show::new(store, call).and_then(|show| {
                let (by_web_id, by_path) =
                    (|id: &str| by_web_id(store, kind, id), |path: &str| at_path(store, kind, path));
                multiple(call, by_web_id, by_path, |ix| show.object(ix))
            }))
        }
        [id] => {
            let foreign = WebId::parse(id).is_some_and(|id| Kind::of_web_id(id.kind).is_none());
            // Sets of data servers have the same routes.
            let elsewhere = foreign && matches!(kind, Kind::EnumerationSet | Kind::EnumerationValue);
            (!elsewhere).then(|| call.only_get().and_then(|()| show(store, call, by_web_id(store, kind, id)?)))
        }
        [id, below @ ..] => {
            let route = below_route(kind, below)?;
            Some(call.only_get().and_then(|()| route(store, call, by_web_id(store, kind, id)?)))
        }
    }
}

type Below = Box<dyn Fn(&Store, &Call<'_>, Ix) -> Answer>;

/// The lists and contents below an object.
fn below_route(kind: Kind, below: &[&str]) -> Option<Below> {
    use Kind as K;
    let owned = |wanted: K| -> Option<Below> { Some(Box::new(move |s, c, ix| lists::all_owned(s, c, ix, wanted))) };
    match (kind, below) {
        (K::AssetServer, ["assetdatabases"]) => owned(K::AssetDatabase),
        (K::AssetServer, ["unitclasses"]) => owned(K::UnitClass),
        (K::AssetDatabase, ["elementcategories"]) => owned(K::ElementCategory),
        (K::AssetDatabase, ["attributecategories"]) => owned(K::AttributeCategory),
        (K::AssetDatabase, ["analysiscategories"]) => owned(K::AnalysisCategory),
        (K::AssetDatabase, ["tablecategories"]) => owned(K::TableCategory),
        (K::AssetDatabase, ["tables"]) => owned(K::Table),
        (K::AssetDatabase, ["enumerationsets"]) => owned(K::EnumerationSet),
        (K::EnumerationSet, ["enumerationvalues"]) => owned(K::EnumerationValue),
        (K::UnitClass, ["units"]) => owned(K::Unit),
        (K::AttributeTemplate, ["attributetemplates"]) => owned(K::AttributeTemplate),
        (K::AssetDatabase, ["elementtemplates"]) => {
            Some(Box::new(|s, c, ix| lists::by_field(s, c, ix, K::ElementTemplate)))
        }
        (K::AssetDatabase, ["analysistemplates"]) => {
            Some(Box::new(|s, c, ix| lists::by_field(s, c, ix, K::AnalysisTemplate)))
        }
        (K::AssetDatabase, ["analyses"]) => Some(Box::new(lists::analyses_of_database)),
        (K::AssetDatabase, ["elementattributes"]) | (K::Element, ["elementattributes"]) => {
            Some(Box::new(lists::element_attributes))
        }
        (K::AssetDatabase | K::Element, ["elements"]) => {
            Some(Box::new(|s, c, ix| page(s, c, filters::elements(s, c, ix)?)))
        }
        (K::AssetDatabase | K::Element | K::EventFrame, ["eventframes"]) => {
            Some(Box::new(|s, c, ix| page(s, c, frame_search::frames(s, c, ix)?)))
        }
        (K::Element | K::EventFrame | K::Attribute, ["attributes"]) => {
            Some(Box::new(|s, c, ix| page(s, c, filters::attributes(s, c, ix)?)))
        }
        (K::Element, ["analyses"]) => Some(Box::new(|s, c, ix| {
            let mut all: Vec<Ix> = s.owned(ix, K::Analysis).filter(|ix| visible(s, *ix)).collect();
            sort(s, c, &mut all)?;
            page(s, c, all)
        })),
        (K::Element, ["referencedelements"]) => Some(Box::new(|s, c, ix| {
            let all = s.element(ix).map(|element| element.referenced.clone()).unwrap_or_default();
            let mut all: Vec<Ix> = all.into_iter().filter(|ix| visible(s, *ix)).collect();
            sort(s, c, &mut all)?;
            page(s, c, all)
        })),
        (K::EventFrame, ["referencedelements"]) => Some(Box::new(|s, c, ix| {
            let show = Show::new(s, c)?;
            let all = s.frame(ix).map(|frame| frame.elements.as_slice()).unwrap_or_default();
            whole(c, all.iter().filter(|ix| visible(s, **ix)).map(|ix| show.object(*ix)).collect())
        })),
        (K::EventFrame, ["annotations"]) => Some(Box::new(|s, c, ix| lists::annotations(s, c, ix, None))),
        (K::EventFrame, ["annotations", id]) => {
            let id = (*id).to_owned();
            Some(Box::new(move |s, c, ix| lists::annotations(s, c, ix, Some(&id))))
        }
        (K::ElementTemplate, ["attributetemplates"]) => Some(Box::new(lists::attribute_templates)),
        (K::ElementTemplate, ["analysistemplates"]) => Some(Box::new(lists::analysis_templates_of)),
        (K::Table, ["data"]) => Some(Box::new(|s, c, ix| match &s.object(ix).body {
            Body::Table(table) => c.ok(table_data(table)),
            _ => c.ok(json!({})),
        })),
        (K::UnitClass, ["canonicalunit"]) => Some(Box::new(|s, c, ix| match s.object(ix).body {
            Body::UnitClass { canonical: Some(canonical) } => show(s, c, canonical),
            _ => Err(Refusal::absent("The unit class has no canonical unit.")),
        })),
        (
            K::Element
            | K::EventFrame
            | K::Attribute
            | K::ElementTemplate
            | K::AttributeTemplate
            | K::Analysis
            | K::AnalysisTemplate
            | K::Table,
            ["categories"],
        ) => Some(Box::new(|s, c, ix| {
            let show = Show::new(s, c)?;
            whole(c, s.object(ix).categories.iter().map(|ix| show.object(*ix)).collect())
        })),
        _ => None,
    }
}

fn page(store: &Store, call: &Call<'_>, all: Vec<Ix>) -> Answer {
    let show = Show::new(store, call)?;
    Page::of(call)?.answer(call, &all, |ix| show.object(*ix))
}

fn show(store: &Store, call: &Call<'_>, ix: Ix) -> Answer {
    call.ok(Show::new(store, call)?.object(ix))
}

/// An object by path; asset servers also by name, and all of them without either.
fn one_or_servers(store: &Store, call: &Call<'_>, kind: Kind) -> Answer {
    if kind == Kind::AssetServer && call.filled("path").is_none() {
        let mut servers = store.servers().iter().copied().filter(|ix| visible(store, *ix));
        return match call.filled("name") {
            None => {
                let show = Show::new(store, call)?;
                whole(call, servers.map(|ix| show.object(ix)).collect())
            }
            Some(name) => {
                let found = servers.find(|ix| store.object(*ix).name.eq_ignore_ascii_case(name));
                show(store, call, found.ok_or_else(|| Refusal::absent(format!("There is no asset server '{name}'.")))?)
            }
        };
    }
    show(store, call, at_path(store, kind, call.required("path")?)?)
}

/// The readable object at a path.
///
/// # Errors
/// 404 when there is none, 403 when the user may not read it.
pub(super) fn at_path(store: &Store, kind: Kind, path: &str) -> Result<Ix, Refusal> {
    let absent = || Refusal::absent(format!("The specified path '{path}' was not found."));
    readable(store, store.at_path(kind, path).ok_or_else(absent)?, absent)
}

/// The readable object of a WebID.
///
/// # Errors
/// 400 when it is no WebID, 404 when it names nothing of this kind, 403 when the user may not read it.
pub(super) fn by_web_id(store: &Store, kind: Kind, text: &str) -> Result<Ix, Refusal> {
    let id = read_web_id(text)?;
    let absent = || Refusal::absent(format!("Unknown or invalid WebID '{text}'."));
    let found = store.named(&id).filter(|ix| store.object(*ix).kind == kind);
    readable(store, found.ok_or_else(absent)?, absent)
}

fn readable(store: &Store, ix: Ix, absent: impl Fn() -> Refusal) -> Result<Ix, Refusal> {
    let object = store.object(ix);
    if object.deleted {
        return Err(absent());
    }
    if object.denied {
        return Err(Refusal::new(403, "The user does not have permission to read the object."));
    }
    Ok(ix)
}
