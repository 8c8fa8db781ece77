//! What an asset server holds: one kind of object for everything, with what differs in [`Body`].

use serde_json::Value;

use crate::osipi::{guid::Guid, ticks::Ticks, webid};

/// Where an object is in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ix(pub(crate) u32);

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An asset server.
    AssetServer,
    /// An asset database.
    AssetDatabase,
    /// An element.
    Element,
    /// An event frame.
    EventFrame,
    /// An attribute of an element or event frame, or of another attribute.
    Attribute,
    /// A template of elements or event frames.
    ElementTemplate,
    /// A template of attributes.
    AttributeTemplate,
    /// An analysis.
    Analysis,
    /// A template of analyses.
    AnalysisTemplate,
    /// A category of elements.
    ElementCategory,
    /// A category of attributes.
    AttributeCategory,
    /// A category of analyses.
    AnalysisCategory,
    /// A category of tables.
    TableCategory,
    /// A table.
    Table,
    /// An enumeration set.
    EnumerationSet,
    /// A value of an enumeration set.
    EnumerationValue,
    /// A class of units.
    UnitClass,
    /// A unit of measure.
    Unit,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::AssetServer,
        Self::AssetDatabase,
        Self::Element,
        Self::EventFrame,
        Self::Attribute,
        Self::ElementTemplate,
        Self::AttributeTemplate,
        Self::Analysis,
        Self::AnalysisTemplate,
        Self::ElementCategory,
        Self::AttributeCategory,
        Self::AnalysisCategory,
        Self::TableCategory,
        Self::Table,
        Self::EnumerationSet,
        Self::EnumerationValue,
        Self::UnitClass,
        Self::Unit,
    ];

    /// The first part of the routes of its objects.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::AssetServer => "assetservers",
            Self::AssetDatabase => "assetdatabases",
            Self::Element => "elements",
            Self::EventFrame => "eventframes",
            Self::Attribute => "attributes",
            Self::ElementTemplate => "elementtemplates",
            Self::AttributeTemplate => "attributetemplates",
            Self::Analysis => "analyses",
            Self::AnalysisTemplate => "analysistemplates",
            Self::ElementCategory => "elementcategories",
            Self::AttributeCategory => "attributecategories",
            Self::AnalysisCategory => "analysiscategories",
            Self::TableCategory => "tablecategories",
            Self::Table => "tables",
            Self::EnumerationSet => "enumerationsets",
            Self::EnumerationValue => "enumerationvalues",
            Self::UnitClass => "unitclasses",
            Self::Unit => "units",
        }
    }

    pub(crate) fn of_route(route: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.route() == route)
    }

    /// The kind in its WebIDs; attributes of event frames have one of their own.
    pub(crate) fn web_id_kind(self) -> webid::Kind {
        match self {
            Self::AssetServer => webid::Kind::AssetServer,
            Self::AssetDatabase => webid::Kind::Database,
            Self::Element => webid::Kind::Element,
            Self::EventFrame => webid::Kind::EventFrame,
            Self::Attribute => webid::Kind::Attribute,
            Self::ElementTemplate => webid::Kind::ElementTemplate,
            Self::AttributeTemplate => webid::Kind::AttributeTemplate,
            Self::Analysis => webid::Kind::Analysis,
            Self::AnalysisTemplate => webid::Kind::AnalysisTemplate,
            Self::ElementCategory => webid::Kind::ElementCategory,
            Self::AttributeCategory => webid::Kind::AttributeCategory,
            Self::AnalysisCategory => webid::Kind::AnalysisCategory,
            Self::TableCategory => webid::Kind::TableCategory,
            Self::Table => webid::Kind::Table,
            Self::EnumerationSet => webid::Kind::EnumerationSet,
            Self::EnumerationValue => webid::Kind::EnumerationValue,
            Self::UnitClass => webid::Kind::UnitClass,
            Self::Unit => webid::Kind::Unit,
        }
    }

    /// The kind of objects that such a WebID names.
    pub(crate) fn of_web_id(kind: webid::Kind) -> Option<Self> {
        if kind == webid::Kind::FrameAttribute {
            return Some(Self::Attribute);
        }
        Self::ALL.into_iter().find(|known| known.web_id_kind() == kind)
    }

    /// The word in paths, as in `\\SERVER\Database\Tables[Name]`.
    pub(crate) fn path_word(self) -> Option<&'static str> {
        Some(match self {
            Self::EventFrame => "EventFrames",
            Self::ElementTemplate => "ElementTemplates",
            Self::Analysis => "Analyses",
            Self::AnalysisTemplate => "AnalysisTemplates",
            Self::ElementCategory => "CategoriesElement",
            Self::AttributeCategory => "CategoriesAttribute",
            Self::AnalysisCategory => "CategoriesAnalysis",
            Self::TableCategory => "CategoriesTable",
            Self::Table => "Tables",
            Self::EnumerationSet => "EnumerationSets",
            Self::UnitClass => "UOMClasses",
            Self::Unit => "UOMs",
            _ => return None,
        })
    }
}

/// Anything that an asset server holds.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) id: Guid,
    pub(crate) name: String,
    pub(crate) description: String,
    /// What it belongs to: gives path and server.
    pub(crate) owner: Option<Ix>,
    /// What belongs to it, in the order of making.
    pub(crate) owned: Vec<Ix>,
    pub(crate) categories: Vec<Ix>,
    pub(crate) extended: Vec<(String, Value)>,
    /// The user may not read it.
    pub(crate) denied: bool,
    pub(crate) deleted: bool,
    pub(crate) body: Body,
}

/// What only one kind of object has.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Plain,
    Server(Server),
    Element(Element),
    Frame(Frame),
    Attribute(Attribute),
    Template(Template),
    Analysis(Analysis),
    AnalysisTemplate(AnalysisTemplate),
    Table(Table),
    EnumerationValue(EnumerationValue),
    UnitClass { canonical: Option<Ix> },
    Unit(Unit),
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) connected: bool,
    pub(crate) version: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    pub(crate) template: Option<Ix>,
    /// Elements that are children here too, but belong elsewhere.
    pub(crate) referenced: Vec<Ix>,
    /// The other parents of this element.
    pub(crate) other_parents: Vec<Ix>,
    /// `elementType`: `None`, `Other`, `Node`, `Measurement`, `Flow`, `Transfer`, `Boundary`.
    pub(crate) element_type: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) template: Option<Ix>,
    pub(crate) start: Ticks,
    /// An open frame has none.
    pub(crate) end: Option<Ticks>,
    pub(crate) severity: &'static str,
    pub(crate) can_be_acknowledged: bool,
    /// Who acknowledged it, and when.
    pub(crate) acknowledged: Option<(String, Ticks)>,
    pub(crate) annotations: Vec<Annotation>,
    pub(crate) locked: bool,
    pub(crate) captured: bool,
    /// The primary element first.
    pub(crate) elements: Vec<Ix>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Annotation {
    pub(crate) id: Guid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) value: Value,
    pub(crate) creator: String,
    pub(crate) created: Ticks,
    pub(crate) modifier: String,
    pub(crate) modified: Ticks,
}

/// An attribute, or the template of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribute {
    pub(crate) template: Option<Ix>,
    /// As the API names it: `Double`, `Int32`, `String`, `EnumerationValue`, ...
    pub(crate) value_type: &'static str,
    /// The enumeration set of an `EnumerationValue`, the element template of an `Element`.
    pub(crate) qualifier: String,
    pub(crate) unit: Option<Ix>,
    pub(crate) display_digits: i32,
    pub(crate) data: DataReference,
    pub(crate) configuration_item: bool,
    pub(crate) excluded: bool,
    pub(crate) hidden: bool,
    pub(crate) manual: bool,
    pub(crate) step: bool,
    pub(crate) zero: f64,
    pub(crate) span: f64,
    pub(crate) trait_name: &'static str,
}

/// Where the value of an attribute comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum DataReference {
    /// Nowhere: nothing was ever entered.
    #[default]
    None,
    /// A value of its own, entered at a time or valid from the beginning.
    Static { value: Value, at: Option<Ticks> },
    /// A point, by server name and tag.
    Point { server: String, tag: String },
    /// A data reference of this name and configuration, with what it computes; `None` is a failure to compute.
    Computed { plug_in: &'static str, config: String, value: Option<Value> },
}

#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// `Element`, `EventFrame`, or another.
    pub(crate) instance_type: &'static str,
    pub(crate) base: Option<Ix>,
    pub(crate) naming_pattern: String,
    pub(crate) severity: &'static str,
    pub(crate) can_be_acknowledged: bool,
    pub(crate) allow_to_extend: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Analysis {
    pub(crate) template: Option<Ix>,
    pub(crate) target: Ix,
    pub(crate) rule: &'static str,
    pub(crate) time_rule: &'static str,
    pub(crate) status: &'static str,
    pub(crate) priority: &'static str,
    pub(crate) group: i64,
    pub(crate) maximum_queue_size: i64,
    pub(crate) output_time: &'static str,
    pub(crate) publish_results: bool,
    pub(crate) configured: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct AnalysisTemplate {
    pub(crate) target: Option<Ix>,
    pub(crate) rule: &'static str,
    pub(crate) time_rule: &'static str,
    pub(crate) group: i64,
    pub(crate) output_time: &'static str,
    pub(crate) create_enabled: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) time_zone: &'static str,
    pub(crate) convert_to_local_time: bool,
    pub(crate) columns: Vec<(String, &'static str)>,
    /// Cells in the order of the columns; a missing one was never set.
    pub(crate) rows: Vec<Vec<Option<Value>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct EnumerationValue {
    pub(crate) value: i64,
    pub(crate) parent: Option<Ix>,
}

#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) abbreviation: String,
    /// `reference = own * factor + offset`, unless the reference factors say it in two steps.
    pub(crate) factor: f64,
    pub(crate) offset: f64,
    pub(crate) reference_factor: f64,
    pub(crate) reference_offset: f64,
    pub(crate) reference: Option<Ix>,
}
