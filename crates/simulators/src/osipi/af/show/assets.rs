//! Elements, attributes and templates.

use serde_json::{Value, json};

use super::Show;
use crate::osipi::{
    af::{
        object::{Attribute, DataReference, Element, Ix, Kind, Server, Template},
        store::{PointRef, Store},
    },
    webid::{Kind as WebIdKind, encode},
};

impl Show<'_> {
    pub(super) fn server(&self, server: &Server) -> Value {
        json!({ "IsConnected": server.connected, "ServerVersion": server.version, "ExtendedProperties": {} })
    }

    pub(super) fn element(&self, ix: Ix, element: &Element) -> Value {
        let children = self.store.owned(ix, Kind::Element).next().is_some() || !element.referenced.is_empty();
        let mut out = json!({
            "TemplateName": self.store.name_of(element.template),
            "HasChildren": children,
            "CategoryNames": self.store.category_names(ix),
            "ExtendedProperties": self.extended(ix),
        });
        if self.paths {
            let name = &self.store.object(ix).name;
            let others = element.other_parents.iter().map(|parent| format!("{}\\{name}", self.store.path(*parent)));
            out["Paths"] = std::iter::once(self.store.path(ix)).chain(others).collect();
        }
        out
    }

    pub(super) fn attribute(&self, ix: Ix, attribute: &Attribute) -> Value {
        let kind = self.store.object(ix).kind;
        let mut out = json!({
            "Type": attribute.value_type,
            "TypeQualifier": attribute.qualifier,
            "DefaultUnitsName": self.store.name_of(attribute.unit),
            "DefaultUnitsNameAbbreviation": self.abbreviation(attribute.unit),
            "DataReferencePlugIn": plug_in(&attribute.data),
            "ConfigString": config(&attribute.data),
            "IsConfigurationItem": attribute.configuration_item,
            "IsExcluded": attribute.excluded,
            "IsHidden": attribute.hidden,
            "IsManualDataEntry": attribute.manual,
            "HasChildren": self.store.owned(ix, kind).next().is_some(),
            "CategoryNames": self.store.category_names(ix),
            "TraitName": attribute.trait_name,
        });
        if kind == Kind::AttributeTemplate {
            out["DefaultValue"] = default_value(&attribute.data);
            return out;
        }
        out["DisplayDigits"] = json!(attribute.display_digits);
        out["Span"] = json!(attribute.span);
        out["Zero"] = json!(attribute.zero);
        out["Step"] = json!(attribute.step);
        if self.paths {
            out["Paths"] = json!(self.attribute_paths(ix));
        }
        if self.data_references {
            out["DataReference"] = self.data_reference(&attribute.data);
        }
        out
    }

    /// The point that an attribute refers to.
    fn data_reference(&self, data: &DataReference) -> Value {
        let point = match data {
            DataReference::Point { .. } => self.store.point(&config(data)),
            _ => None,
        };
        let Some(PointRef { server, id, name, path }) = point else { return json!(null) };
        let web_id = encode(WebIdKind::Point, self.spelling, &[*server], Some(*id), path);
        json!({ "PIPoint": { "WebId": web_id, "Id": id, "Name": name, "Path": path } })
    }

    /// The paths of an attribute below all paths of its element.
    fn attribute_paths(&self, ix: Ix) -> Vec<String> {
        let path = self.store.path(ix);
        let owner = self.store.attribute_owner(ix);
        let below = path.get(self.store.path(owner).len()..).unwrap_or_default();
        let name = &self.store.object(owner).name;
        let others = self.store.element(owner).map(|element| element.other_parents.as_slice()).unwrap_or_default();
        let others = others.iter().map(|parent| format!("{}\\{name}{below}", self.store.path(*parent)));
        std::iter::once(path.clone()).chain(others).collect()
    }

    pub(super) fn template(&self, ix: Ix, template: &Template) -> Value {
        json!({
            "AllowElementToExtend": template.allow_to_extend,
            "BaseTemplate": self.store.name_of(template.base),
            "InstanceType": template.instance_type,
            "NamingPattern": template.naming_pattern,
            "CategoryNames": self.store.category_names(ix),
            "ExtendedProperties": self.extended(ix),
            "Severity": template.severity,
            "CanBeAcknowledged": template.can_be_acknowledged,
        })
    }
}

fn plug_in(data: &DataReference) -> &'static str {
    match data {
        DataReference::None | DataReference::Static { .. } => "",
        DataReference::Point { .. } => "PI Point",
        DataReference::Computed { plug_in, .. } => plug_in,
    }
}

fn config(data: &DataReference) -> String {
    match data {
        DataReference::None | DataReference::Static { .. } => String::new(),
        DataReference::Point { server, tag } => format!("\\\\{server}\\{tag}"),
        DataReference::Computed { config, .. } => config.clone(),
    }
}

fn default_value(data: &DataReference) -> Value {
    match data {
        DataReference::Static { value, .. } => value.clone(),
        _ => json!(null),
    }
}

/// The path of the point that an attribute names.
pub(super) fn point_path(store: &Store, ix: Ix) -> Option<String> {
    match &store.attribute(ix)?.data {
        DataReference::Point { server, tag } => Some(format!("\\\\{server}\\{tag}")),
        _ => None,
    }
}
