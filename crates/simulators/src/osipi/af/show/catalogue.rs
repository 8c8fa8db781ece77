//! Analyses, tables, enumerations and units.

use serde_json::{Map, Value, json};

use super::Show;
use crate::osipi::af::object::{Analysis, AnalysisTemplate, EnumerationValue, Ix, Table, Unit};

impl Show<'_> {
    pub(super) fn analysis(&self, ix: Ix, analysis: &Analysis) -> Value {
        json!({
            "AnalysisRulePlugInName": analysis.rule,
            "AutoCreated": analysis.template.is_some(),
            "CategoryNames": self.store.category_names(ix),
            "GroupId": analysis.group,
            "HasNotification": false,
            "HasTarget": true,
            "HasTemplate": analysis.template.is_some(),
            "IsConfigured": analysis.configured,
            "IsTimeRuleDefinedByTemplate": analysis.template.is_some(),
            "MaximumQueueSize": analysis.maximum_queue_size,
            "OutputTime": analysis.output_time,
            "Priority": analysis.priority,
            "PublishResults": analysis.publish_results,
            "Status": analysis.status,
            "TargetWebId": self.web_id(analysis.target),
            "TemplateName": self.store.name_of(analysis.template),
            "TimeRulePlugInName": analysis.time_rule,
        })
    }

    pub(super) fn analysis_template(&self, ix: Ix, template: &AnalysisTemplate) -> Value {
        json!({
            "AnalysisRulePlugInName": template.rule,
            "CategoryNames": self.store.category_names(ix),
            "CreateEnabled": template.create_enabled,
            "GroupId": template.group,
            "HasNotificationTemplate": false,
            "HasTarget": template.target.is_some(),
            "OutputTime": template.output_time,
            "TargetName": self.store.name_of(template.target),
            "TimeRulePlugInName": template.time_rule,
        })
    }

    pub(super) fn table(&self, ix: Ix, table: &Table) -> Value {
        json!({
            "CategoryNames": self.store.category_names(ix),
            "TimeZone": table.time_zone,
            "ConvertToLocalTime": table.convert_to_local_time,
        })
    }

    pub(super) fn enumeration_value(&self, value: &EnumerationValue) -> Value {
        json!({ "Value": value.value, "Parent": self.store.name_of(value.parent) })
    }

    pub(super) fn unit_class(&self, canonical: Option<Ix>) -> Value {
        json!({
            "CanonicalUnitName": self.store.name_of(canonical),
            "CanonicalUnitAbbreviation": self.abbreviation(canonical),
        })
    }

    pub(super) fn unit(&self, unit: &Unit) -> Value {
        json!({
            "Abbreviation": unit.abbreviation,
            "Factor": unit.factor,
            "Offset": unit.offset,
            "ReferenceFactor": unit.reference_factor,
            "ReferenceOffset": unit.reference_offset,
            "ReferenceUnitAbbreviation": self.abbreviation(unit.reference),
        })
    }
}

/// The body of `tables/{webId}/data`: a cell that was never set is missing.
pub(crate) fn table_data(table: &Table) -> Value {
    let columns: Map<String, Value> = table.columns.iter().map(|(name, kind)| (name.clone(), json!(kind))).collect();
    let row = |cells: &Vec<Option<Value>>| -> Value {
        let named = table.columns.iter().zip(cells);
        Value::Object(named.filter_map(|((name, _), cell)| Some((name.clone(), cell.clone()?))).collect())
    };
    json!({ "Columns": columns, "Rows": table.rows.iter().map(row).collect::<Vec<_>>() })
}
