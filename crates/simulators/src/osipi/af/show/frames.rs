//! Event frames and their annotations.

use serde_json::{Value, json};

use super::Show;
use crate::osipi::{
    af::object::{Annotation, Frame, Ix, Kind},
    ticks::Ticks,
};

impl Show<'_> {
    pub(super) fn frame(&self, ix: Ix, frame: &Frame) -> Value {
        let mut out = json!({
            "TemplateName": self.store.name_of(frame.template),
            "HasChildren": self.store.owned(ix, Kind::EventFrame).next().is_some(),
            "CategoryNames": self.store.category_names(ix),
            "ExtendedProperties": self.extended(ix),
            "StartTime": frame.start.to_string(),
            "EndTime": frame.end.unwrap_or(Ticks::END).to_string(),
            "Severity": frame.severity,
            "CanBeAcknowledged": frame.can_be_acknowledged,
            "IsAcknowledged": frame.acknowledged.is_some(),
            "IsAnnotated": !frame.annotations.is_empty(),
            "IsLocked": frame.locked,
            "AreValuesCaptured": frame.captured,
            "RefElementWebIds": frame.elements.iter().map(|element| self.web_id(*element)).collect::<Vec<_>>(),
        });
        if let Some((user, at)) = &frame.acknowledged {
            out["AcknowledgedBy"] = json!(user);
            out["AcknowledgedDate"] = json!(at.to_string());
        }
        if self.paths {
            out["Paths"] = json!([self.store.path(ix)]);
        }
        out
    }

    /// An annotation of an event frame.
    pub(crate) fn annotation(&self, owner: Ix, annotation: &Annotation) -> Value {
        let mut out = json!({
            "Id": annotation.id.to_string(),
            "Name": annotation.name,
            "Description": annotation.description,
            "Value": annotation.value,
            "Creator": annotation.creator,
            "CreationDate": annotation.created.to_string(),
            "Modifier": annotation.modifier,
            "ModifyDate": annotation.modified.to_string(),
        });
        if self.links {
            let owner = self.url(owner);
            out["Links"] = json!({ "Self": format!("{owner}/annotations/{}", annotation.id), "Owner": owner });
        }
        out
    }
}
