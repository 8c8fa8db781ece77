//! Files that lose rows, written again without them.

use arrow::{array::BooleanArray, compute::filter_record_batch};
use deltalake::kernel::Add;
use lakeflow_connect::{Result, arrow};

use super::resolve::{Merge, Outcome, Work};
use crate::{error::sink, stage::Segment, table::DataFile};

impl Merge<'_> {
    /// Writes the survivors of every file that loses rows, and says what to add and remove.
    pub(super) async fn rewrite(&self, incoming: &[Add], work: &Work) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut segment: Option<Segment> = None;
        for (number, file) in work.files.iter().enumerate() {
            let Some(losers) = work.losers.of(number) else {
                outcome.adds.extend(incoming.get(number).cloned());
                continue;
            };
            match &file.remove {
                Some(remove) => outcome.removes.push(remove.clone()),
                None => outcome.superseded.push(file.clone()),
            }
            if losers.len() == work.rows[number] {
                continue;
            }
            let segment = segment.get_or_insert_with(|| Segment::start(&self.layout));
            let mut rows = self.scanner.rows(file, None).await?;
            let mut at = 0;
            while let Some(batch) = rows.next().await? {
                let end = at + batch.num_rows() as u32;
                let keep: BooleanArray = (at..end).map(|row| Some(!losers.contains(row))).collect();
                at = end;
                let kept = filter_record_batch(&batch, &keep).map_err(|e| sink("rewriting a data file", e))?;
                segment.write(vec![kept]).await?;
            }
        }
        if let Some(segment) = segment {
            let adds = segment.finish().await?;
            outcome.rewritten = adds.iter().map(DataFile::staged).collect();
            outcome.adds.extend(adds);
        }
        Ok(outcome)
    }
}
