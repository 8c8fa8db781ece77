//! Which check runs on what: the source, a table, or each of a table's streams.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    bounded_reads_repeat, deletions_begin_first, faults_lose_nothing, memory_is_bounded, metadata_is_coherent,
    no_silent_null, offsets_are_opaque, offsets_follow_rows, plans_cover, secrets_stay_secret, structure_is_kept,
    ties_are_whole, units, unknown_names_are_errors,
};
use crate::{
    connector::{IngestionType, TableRef},
    testkit::{
        check::Check,
        probe::{Flow, Probe},
        report::{Report, Verdict},
        suite::{Size, Suite},
        witness::Witness,
    },
};

/// The suite and what it has seen so far.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) witness: &'a Arc<Witness>,
}

impl<'a> Source<'a> {
    pub(crate) async fn check(self, check: Check, tables: &[TableRef]) -> Report {
        let mut report = Report::default();
        if let (Check::UnknownNamesAreErrors, Some(factory)) = (check, &self.suite.factory) {
            report.push(check, None, unknown_names_are_errors::of_the_connection(factory, self.witness));
        }
        for table in tables {
            for flow in self.flows(check, table).await {
                let name = match flow {
                    Flow::Rows => table.name.clone(),
                    Flow::Deletes => format!("{} (deletes)", table.name),
                };
                report.push(check, Some(name), self.of_table(check, table, flow).await);
            }
        }
        if check == Check::SecretsStaySecret {
            report.push(check, None, secrets_stay_secret::verdict(self.suite, self.witness));
        }
        report
    }

    /// Deletions are read under the same rules; checks of names and metadata see the table once.
    async fn flows(self, check: Check, table: &TableRef) -> Vec<Flow> {
        let once = matches!(
            check,
            Check::MetadataIsCoherent
                | Check::UnknownNamesAreErrors
                | Check::PlansCover
                | Check::DeletionsBeginFirst
                | Check::NoSilentNull
                | Check::SecretsStaySecret
        );
        if once {
            return vec![Flow::Rows];
        }
        let deletes = match (self.suite.connect)() {
            Ok(connector) => connector.read_table_metadata(table).await,
            Err(error) => Err(error),
        };
        match deletes {
            Ok(metadata) if metadata.ingestion_type == IngestionType::CdcWithDeletes => {
                vec![Flow::Rows, Flow::Deletes]
            }
            // A failure is the finding of the check itself.
            _ => vec![Flow::Rows],
        }
    }

    async fn of_table(self, check: Check, table: &TableRef, flow: Flow) -> Verdict {
        let probe = Probe::new(self.suite, self.witness, table, flow, &Size::default()).await?;
        match check {
            Check::Units => self.at_each_size(&probe, |p| Box::pin(units::check(p))).await,
            Check::OffsetsFollowRows => {
                let tried = self.at_each_size(&probe, |p| Box::pin(offsets_follow_rows::check(p))).await?;
                Ok(format!("{tried}{}", offsets_follow_rows::after_a_change(&probe).await?))
            }
            Check::OffsetsAreOpaque => offsets_are_opaque::check(&self.smallest(&probe).await?).await,
            Check::BoundedReadsRepeat => bounded_reads_repeat::check(&self.smallest(&probe).await?).await,
            Check::MemoryIsBounded => memory_is_bounded::check(&self.smallest(&probe).await?).await,
            Check::TiesAreWhole => ties_are_whole::check(&probe).await,
            Check::UnknownNamesAreErrors => unknown_names_are_errors::check(&probe).await,
            Check::StructureIsKept => structure_is_kept::check(&probe).await,
            Check::NoSilentNull => no_silent_null::check(&probe).await,
            Check::MetadataIsCoherent => metadata_is_coherent::check(&probe).await,
            Check::DeletionsBeginFirst => deletions_begin_first::check(&self.smallest(&probe).await?).await,
            Check::PlansCover => plans_cover::check(&self.smallest(&probe).await?).await,
            Check::FaultsLoseNothing => faults_lose_nothing::check(&self.smallest(&probe).await?).await,
            Check::SecretsStaySecret => secrets_stay_secret::provoke(&probe).await,
        }
    }

    /// The check with the given options and with each size given by options.
    async fn at_each_size<F>(self, probe: &Probe<'a>, check: F) -> Verdict
    where
        F: for<'p> Fn(&'p Probe<'a>) -> BoxFuture<'p, Verdict>,
    {
        let mut tried = vec![check(probe).await?];
        for size in self.suite.sizes.iter().filter(|s| s.max_records.is_none()) {
            let sized = Probe::new(self.suite, self.witness, &probe.table, probe.flow, size).await?;
            tried.push(format!("with {size} {}", check(&sized).await?));
        }
        Ok(tried.join("; "))
    }

    /// The probe with the first size that options give.
    async fn smallest(self, probe: &Probe<'a>) -> Result<Probe<'a>, crate::testkit::report::Stop> {
        match self.suite.sizes.iter().find(|s| s.max_records.is_none()) {
            Some(size) => Probe::new(self.suite, self.witness, &probe.table, probe.flow, size).await,
            None => Ok(probe.clone()),
        }
    }
}
