//! Files of which a row goes away or changes, written again.

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use deltalake::kernel::Add;
use lakeflow_connect::{Result, arrow};

use super::work::{Outcome, Work};
use crate::{
    error::sink,
    files::FileLayout,
    scan::Scanner,
    sequence::{Moment, Sequence},
    stage::Segment,
    table::DataFile,
};

/// Writes the survivors of every file that changes, and says what to add and remove. Of a history, versions that are over get
/// files of their own: those of long ago need not be read again.
pub(super) async fn rewrite(
    scanner: &Scanner,
    layout: &FileLayout,
    incoming: &[Add],
    work: &Work,
    history: Option<&Sequence>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut segments: [Option<Segment>; 2] = [None, None];
    for (number, file) in work.files.iter().enumerate() {
        let (losers, ends) = (work.losers.of(number), work.ends.get(&(number as u32)));
        if losers.is_none() && ends.is_none() {
            outcome.adds.extend(incoming.get(number).cloned());
            continue;
        }
        match &file.remove {
            Some(remove) => outcome.removes.push(remove.clone()),
            None => outcome.superseded.push(file.clone()),
        }
        if losers.is_some_and(|losers| losers.len() == work.rows[number]) {
            continue;
        }
        let mut rows = scanner.rows(file, None).await?;
        let mut at = 0;
        while let Some(mut batch) = rows.next().await? {
            let end = at + batch.num_rows() as u32;
            if let (Some(history), Some(ends)) = (history, ends) {
                let here: Vec<_> =
                    ends.range(at..end).map(|(row, moment): (_, &Moment)| (row - at, &**moment)).collect();
                if !here.is_empty() {
                    batch = history.with_ends(&batch, &here)?;
                }
            }
            if let Some(losers) = losers {
                let keep: BooleanArray = (at..end).map(|row| Some(!losers.contains(row))).collect();
                batch = filter_record_batch(&batch, &keep).map_err(|e| sink("rewriting a data file", e))?;
            }
            at = end;
            let parts: Vec<RecordBatch> = match history {
                Some(history) => history.split(&batch)?.into(),
                None => vec![batch],
            };
            for (segment, part) in segments.iter_mut().zip(parts) {
                if part.num_rows() > 0 {
                    segment.get_or_insert_with(|| Segment::start(layout)).write(vec![part]).await?;
                }
            }
        }
    }
    for segment in segments.into_iter().flatten() {
        let adds = segment.finish().await?;
        outcome.rewritten.extend(adds.iter().map(DataFile::staged));
        outcome.adds.extend(adds);
    }
    Ok(outcome)
}
