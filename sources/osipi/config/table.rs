//! Options of a table.

use serde::Deserialize;

use super::{
    super::{
        tables::Table,
        tags::share::Share,
        time::{self, Ticks, Zone},
    },
    docs::OPTIONS,
};
use crate::{
    error::Result,
    near::near_matches,
    options::{Level, Options, Problems},
};

/// Options of a table.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct TableOptions {
    pub(in super::super) compat: Compat,
    pub(in super::super) on_tag_error: OnTagError,
    #[serde(rename = "maxCount")]
    pub(in super::super) max_count: Option<u32>,
    #[serde(rename = "selectedFields")]
    pub(in super::super) selected_fields: Option<String>,
    #[serde(rename = "timeZone")]
    pub(in super::super) time_zone: String,
    pub(in super::super) tags: TagOptions,
    pub(in super::super) window: WindowOptions,
    pub(in super::super) recorded: RecordedOptions,
    pub(in super::super) windowed: WindowedOptions,
    pub(in super::super) lists: ListOptions,
    pub(in super::super) event_frames: EventFrameOptions,
}

/// Which streams, by tag, attribute, element or template.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(in super::super) struct TagOptions {
    pub(in super::super) tag_webids: Vec<String>,
    pub(in super::super) tag_names: Vec<String>,
    pub(in super::super) tag_paths: Vec<String>,
    #[serde(rename = "nameFilter")]
    pub(in super::super) name_filter: Option<String>,
    pub(in super::super) attribute_webids: Vec<String>,
    pub(in super::super) element_webids: Vec<String>,
    #[serde(rename = "templateName")]
    pub(in super::super) template_name: Option<String>,
    pub(in super::super) dataserver_webid: Vec<String>,
    pub(in super::super) default_tags: Option<u32>,
    pub(in super::super) tag_share: Option<String>,
    tags_per_request: usize,
}

/// Which span of time, and how much at once.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct WindowOptions {
    #[serde(rename = "startTime")]
    pub(in super::super) start_time: Option<String>,
    #[serde(rename = "endTime")]
    pub(in super::super) end_time: String,
    pub(in super::super) lookback_minutes: Option<u32>,
    pub(in super::super) lookback_days: Option<u32>,
    pub(in super::super) window_seconds: u32,
    pub(in super::super) max_records_per_batch: u64,
    pub(in super::super) late_window: String,
    pub(in super::super) future_horizon: String,
    pub(in super::super) target_response_bytes: u64,
}

impl WindowOptions {
    /// What all answers may hold together that were asked for and not yet taken, in bytes.
    pub(in super::super) fn bytes_under_way(&self) -> u64 {
        self.target_response_bytes.saturating_mul(3)
    }
}

/// How recorded values are read.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct RecordedOptions {
    pub(in super::super) prefer_streamset: bool,
    #[serde(rename = "boundaryType")]
    pub(in super::super) boundary_type: Boundary,
    #[serde(rename = "filterExpression")]
    pub(in super::super) filter_expression: Option<String>,
    #[serde(rename = "includeFilteredValues")]
    pub(in super::super) include_filtered_values: bool,
    #[serde(rename = "desiredUnits")]
    pub(in super::super) desired_units: Option<String>,
    pub(in super::super) change_capture: ChangeCapture,
    pub(in super::super) reconcile_days: u32,
    pub(in super::super) reconcile_sample: f64,
    pub(in super::super) snapshot_policy: SnapshotPolicy,
}

/// How interpolated values, plots, summaries, calculations and values at a time are read.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct WindowedOptions {
    pub(in super::super) interval: Option<String>,
    #[serde(rename = "syncTime")]
    pub(in super::super) sync_time: Option<String>,
    #[serde(rename = "syncTimeBoundaryType")]
    pub(in super::super) sync_time_boundary_type: String,
    pub(in super::super) intervals: u32,
    #[serde(rename = "summaryType")]
    pub(in super::super) summary_type: Vec<String>,
    #[serde(rename = "calculationBasis")]
    pub(in super::super) calculation_basis: String,
    #[serde(rename = "summaryDuration")]
    pub(in super::super) summary_duration: Option<String>,
    #[serde(rename = "timeType")]
    pub(in super::super) time_type: String,
    #[serde(rename = "sampleType")]
    pub(in super::super) sample_type: String,
    #[serde(rename = "sampleInterval")]
    pub(in super::super) sample_interval: Option<String>,
    #[serde(default)]
    pub(in super::super) time: Vec<String>,
    #[serde(rename = "retrievalMode")]
    pub(in super::super) retrieval_mode: String,
    #[serde(rename = "calculationType")]
    pub(in super::super) calculation_type: String,
    pub(in super::super) expression: Option<String>,
    pub(in super::super) expression_webid: Option<String>,
}

/// How lists are read.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct ListOptions {
    #[serde(default)]
    pub(in super::super) assetdatabase_webid: Vec<String>,
    #[serde(rename = "maxTotalCount")]
    pub(in super::super) max_total_count: Option<u64>,
    #[serde(rename = "startIndex")]
    pub(in super::super) start_index: u64,
    #[serde(default)]
    pub(in super::super) point_webids: Vec<String>,
    pub(in super::super) default_points: Option<u64>,
    #[serde(default)]
    pub(in super::super) name: Vec<String>,
    #[serde(rename = "attributeNameFilter")]
    pub(in super::super) attribute_name_filter: Option<String>,
    pub(in super::super) root_element_webid: Option<String>,
    pub(in super::super) max_depth: Option<u32>,
    #[serde(rename = "categoryName")]
    pub(in super::super) category_name: Option<String>,
    #[serde(rename = "elementType")]
    pub(in super::super) element_type: String,
    pub(in super::super) traversal: Traversal,
    pub(in super::super) default_elements: Option<u64>,
    #[serde(rename = "searchFullHierarchy")]
    pub(in super::super) search_full_hierarchy: bool,
    #[serde(rename = "showHidden")]
    pub(in super::super) show_hidden: bool,
    #[serde(rename = "showExcluded")]
    pub(in super::super) show_excluded: bool,
    #[serde(default, rename = "trait")]
    pub(in super::super) traits: Vec<String>,
    #[serde(default)]
    pub(in super::super) elementtemplate_webid: Vec<String>,
    #[serde(default)]
    pub(in super::super) eventframe_template_webid: Vec<String>,
    #[serde(default)]
    pub(in super::super) table_webid: Vec<String>,
    pub(in super::super) default_tables: Option<u64>,
}

/// How event frames are read.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct EventFrameOptions {
    #[serde(rename = "searchMode")]
    pub(in super::super) search_mode: Option<String>,
    pub(in super::super) include_attribute_values: bool,
    #[serde(default)]
    pub(in super::super) event_frame_webids: Vec<String>,
    pub(in super::super) default_event_frames: Option<u64>,
    #[serde(rename = "referencedElementNameFilter")]
    pub(in super::super) referenced_element_name_filter: Option<String>,
    #[serde(rename = "referencedElementTemplateName")]
    pub(in super::super) referenced_element_template_name: Option<String>,
    #[serde(default)]
    pub(in super::super) severity: Vec<String>,
}

/// Whose columns, keys and ingestion types a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Compat {
    /// The public connector's columns, then ours; keys that hold.
    None,
    /// The public connector's, exactly.
    Upstream,
}

/// What happens when one tag or object fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum OnTagError {
    Fail,
    Quarantine,
}

/// Which events at the ends of a window count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(in super::super) enum Boundary {
    Inside,
    Outside,
    Interpolated,
}

/// How late, edited and deleted events are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum ChangeCapture {
    None,
    Overlap,
    Reconcile,
    Updates,
}

/// What becomes of the newest event of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum SnapshotPolicy {
    Provisional,
    Exclude,
    Include,
}

/// How the element hierarchy is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Traversal {
    Full,
    Levels,
}

impl TableOptions {
    /// Reads the options of a table; those that do not apply to it are refused.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem.
    pub(in super::super) fn parse(table: &Table, options: &Options) -> Result<Self> {
        options
            .parse_with(Level::Table, OPTIONS, |parsed: &Self, problems| {
                check_applies(table, options, problems);
                parsed.check(table, problems);
            })
            .map_err(|error| error.with("table", table.name))
    }

    /// Whether what fails is left out and the read goes on.
    pub(in super::super) fn skips_failures(&self) -> bool {
        self.on_tag_error == OnTagError::Quarantine
    }

    fn check(&self, table: &Table, problems: &mut Problems) {
        self.check_times(problems);
        self.check_fields(table, problems);
        if self.recorded.boundary_type != Boundary::Inside {
            problems.add("'boundaryType' must be Inside: the other kinds give events that are not in the archive");
        }
        if self.recorded.filter_expression.is_some() && self.recorded.change_capture == ChangeCapture::Reconcile {
            problems.add("'filterExpression' cannot go with change_capture=reconcile, which counts all events");
        }
        let window = &self.window;
        if self.compat == Compat::Upstream && window.future_horizon.trim() != "0" {
            problems.add(
                "'future_horizon' cannot go with compat=upstream: such events change, and that table is only added to",
            );
        }
        let starts = [window.start_time.is_some(), window.lookback_minutes.is_some(), window.lookback_days.is_some()];
        if starts.iter().filter(|given| **given).count() > 1 {
            problems.add("give only one of 'startTime', 'lookback_minutes' and 'lookback_days'");
        }
        let tags = &self.tags;
        if tags.tag_share.as_deref().is_some_and(|text| Share::parse(text).is_none()) {
            problems.add("'tag_share' must be one of at most 1000 shares, such as 2/8");
        }
        let named = tags.tag_webids.len() + tags.tag_names.len() + tags.tag_paths.len() + tags.attribute_webids.len();
        if named > 1_000_000 {
            problems.add("more than 1,000,000 tags are named; use several tables");
        }
    }
}

impl WindowOptions {
    /// Where the table begins and ends: both are told from `now`, unless one begins with a sign and counts from the other.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when one is no PI time, or each counts from the other.
    pub(in super::super) fn bounds(&self, now: Ticks, zone: Zone) -> Result<(Ticks, Ticks)> {
        time::range(&self.start(), &self.end_time, now, zone)
    }

    /// Where the first read begins, as a PI time: 30 days ago when nothing says otherwise.
    fn start(&self) -> String {
        match (&self.start_time, self.lookback_minutes, self.lookback_days) {
            (Some(text), ..) => text.clone(),
            (None, Some(minutes), _) => format!("*-{minutes}m"),
            (None, None, days) => format!("*-{}h", u64::from(days.unwrap_or(30)) * 24),
        }
    }
}

impl TagOptions {
    /// Whether any option says which tags.
    pub(in super::super) fn names_any(&self) -> bool {
        let lists = [&self.tag_webids, &self.tag_names, &self.tag_paths, &self.attribute_webids, &self.element_webids];
        lists.iter().any(|list| !list.is_empty()) || self.name_filter.is_some() || self.template_name.is_some()
    }

    /// Tags in one batch request.
    pub(in super::super) fn tags_per_request(&self) -> usize {
        if self.tags_per_request == 0 { 100 } else { self.tags_per_request }
    }
}

/// Options of other tables would change nothing here: whoever gives them means something else.
fn check_applies(table: &Table, options: &Options, problems: &mut Problems) {
    let known: Vec<&str> = table.options().collect();
    for name in options.names() {
        let Some(doc) = OPTIONS.iter().find(|doc| doc.level == Level::Table && doc.is_named(name)) else { continue };
        if known.contains(&doc.name) {
            continue;
        }
        let near = near_matches(name, known.iter().copied());
        problems.add(match near.first() {
            Some(near) => format!("'{}' does not apply to this table; did you mean '{near}'?", doc.name),
            None => format!("'{}' does not apply to this table, which takes: {}", doc.name, known.join(", ")),
        });
    }
}
