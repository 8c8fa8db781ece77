//! Configuration by text, for the command line.

use std::time::Duration;

use super::{
    config::{Auth, Compression, Config, Dialect, Framing, TableSpec},
    table::RowIds,
};
use crate::{SimError, settings};

/// The options that [`Config::set`] understands, with what they mean.
pub const OPTIONS: &[(&str, &str)] = &[
    ("personality", "comma list of named behaviours"),
    ("tables", "comma list of ids, as in documents,plant$readings, or a number of tables"),
    ("rows", "rows of each table; give it after tables"),
    ("dimension", "length of vectors, 0 for none; give it after tables"),
    ("row_ids", "stable or plain; give it after tables"),
    ("fragment_rows", "most rows of a fragment; give it after tables"),
    ("dialect", "cloud or namespace"),
    ("server_version", "what phalanx-version says, or none"),
    ("framing", "file or stream"),
    ("compression", "none, lz4 or zstd"),
    ("batch_rows", "rows of a record batch; all in one by default"),
    ("page", "tables on a page of a list when the client names no limit"),
    ("request_bytes", "most bytes of a request's body; above it 413"),
    ("column_bytes", "most bytes of one text column of an answer; above it 500"),
    ("bad_filter", "status of the answer to a filter that cannot be used"),
    ("stale", "versions that answers are behind when no version is asked for"),
    ("seed", "a number that decides everything random"),
    ("listen", "address and port, for example 127.0.0.1:8080; port 0 takes a free one"),
    ("base_path", "a path before that of the API"),
    ("clock", "an instant at which the clock stands, or an offset such as +3600 or -60 in seconds"),
    ("kept_bytes", "bytes of answers with rows that are sent again as they are; 0 by default"),
    ("latency_ms", "every reply is this late"),
    ("fault", "rules WHEN[@PATH]=FAULT separated by ;, for example every:7@/query=cut-off;first:1=status:503:after:2"),
    ("auth", "none, api-key:KEY or bearer:TOKEN"),
];

impl Config {
    /// Sets one option by text; [`OPTIONS`] lists the names. Later calls override or add to earlier ones.
    ///
    /// # Errors
    /// When there is no such option, or the value makes no sense for it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SimError> {
        let wrong = |what: &str| SimError::Config(format!("option {name}: '{value}' is {what}"));
        let number = || value.parse::<u64>().map_err(|_| wrong("no number"));
        let count = || value.parse::<usize>().map_err(|_| wrong("no number"));
        let size = || value.parse::<usize>().ok().filter(|size| *size > 0).ok_or_else(|| wrong("no number above 0"));
        match settings::name(name).as_str() {
            "personality" => {
                for name in settings::words(value, ',') {
                    self.add_personality(name)?;
                }
            }
            "tables" => {
                let like = self.tables.first().cloned().unwrap_or_else(|| TableSpec::new(""));
                let names: Vec<String> = match value.parse::<usize>() {
                    Ok(count) => (0..count).map(|number| format!("table_{number:05}")).collect(),
                    Err(_) => settings::words(value, ',').map(str::to_owned).collect(),
                };
                self.tables = names.into_iter().map(|id| TableSpec { id, ..like.clone() }).collect();
            }
            "rows" => {
                let rows = count()?;
                self.tables.iter_mut().for_each(|table| table.rows = rows);
            }
            "dimension" => {
                let dimension = count()?;
                self.tables.iter_mut().for_each(|table| table.dimension = dimension);
            }
            "row_ids" => {
                let row_ids = match value {
                    "stable" => RowIds::Stable,
                    "plain" => RowIds::Plain,
                    _ => return Err(wrong("neither stable nor plain")),
                };
                self.tables.iter_mut().for_each(|table| table.row_ids = row_ids);
            }
            "fragment_rows" => {
                let rows = size()?;
                self.tables.iter_mut().for_each(|table| table.fragment_rows = rows);
            }
            "dialect" => {
                self.dialect = match value {
                    "cloud" => Dialect::Cloud,
                    "namespace" => Dialect::Namespace,
                    _ => return Err(wrong("neither cloud nor namespace")),
                };
            }
            "server_version" => self.server_version = (value != "none").then(|| value.to_owned()),
            "framing" => {
                self.wire.framing = match value {
                    "file" => Framing::File,
                    "stream" => Framing::Stream,
                    _ => return Err(wrong("neither file nor stream")),
                };
            }
            "compression" => {
                self.wire.compression = match value {
                    "none" => Compression::None,
                    "lz4" => Compression::Lz4,
                    "zstd" => Compression::Zstd,
                    _ => return Err(wrong("none of none, lz4, zstd")),
                };
            }
            "batch_rows" => self.wire.batch_rows = Some(size()?),
            "page" => self.limits.page = size()?,
            "request_bytes" => self.limits.request_bytes = size()?,
            "column_bytes" => self.limits.column_bytes = size()?,
            "bad_filter" => {
                let status = value.parse().ok().filter(|status| (400..600).contains(status));
                self.limits.bad_filter = status.ok_or_else(|| wrong("no status of an error"))?;
            }
            "stale" => self.stale = number()?,
            "seed" => self.seed = number()?,
            "listen" => self.address = value.parse().map_err(|_| wrong("no address and port"))?,
            "base_path" => self.base_path = settings::base_path(value),
            "clock" => {
                self.clock = settings::clock(value).ok_or_else(|| wrong("no instant and no offset in seconds"))?;
            }
            "kept_bytes" => self.kept_bytes = count()?,
            "latency_ms" => self.latency = Duration::from_millis(number()?),
            "fault" => self.faults.extend(settings::fault_rules(value)?),
            "auth" => self.auth = auth(value).map_err(|what| SimError::Config(format!("option auth: {what}")))?,
            _ => return Err(settings::unknown(name, OPTIONS)),
        }
        Ok(())
    }
}

/// The message never repeats the value, which holds a secret.
fn auth(value: &str) -> Result<Auth, String> {
    match settings::login(value) {
        ("none", _) => Ok(Auth::None),
        ("api-key", key) if !key.is_empty() => Ok(Auth::ApiKey(key.to_owned())),
        ("bearer", token) if !token.is_empty() => Ok(Auth::Bearer(token.to_owned())),
        _ => Err("use none, api-key:KEY or bearer:TOKEN".to_owned()),
    }
}
