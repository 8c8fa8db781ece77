//! One list for each of many objects, a hundred at a time.

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    super::{
        batch::SubRequest,
        client::Query,
        items::{Items, Listing, Paging},
        ledger::Object,
        objects::Named,
    },
    out::Out,
};
use crate::error::Result;

/// Objects in one batch request.
const EACH: usize = 100;
/// Batches under way at a time.
const AHEAD: usize = 4;

/// Reads the list of each owner, in their order, and gives each page of it to `take`. A list that is longer than a page is
/// read on by itself. One that cannot be read is told with its owner's name.
pub(super) async fn each_list<T>(
    out: &mut Out,
    owners: Vec<Named>,
    listing: impl Fn(&Named) -> Listing + Send + Sync,
    mut take: T,
) -> Result<()>
where
    T: FnMut(&mut Out, &Named, &Items) -> Result<()>,
{
    let client = out.reading.client().clone();
    let mut chunks = Vec::new();
    let mut owners = owners.into_iter().map(|owner| (listing(&owner), owner)).peekable();
    while owners.peek().is_some() {
        chunks.push(owners.by_ref().take(EACH).collect::<Vec<_>>());
    }
    let answered = |chunk: Vec<(Listing, Named)>| {
        let client = client.clone();
        async move {
            let requests: Vec<SubRequest> = chunk
                .iter()
                .map(|(listing, _)| {
                    let mut query = listing.query.clone();
                    if listing.paging != Paging::Whole {
                        query.push(("maxCount", client.page_size(listing.max_count).to_string()));
                    }
                    SubRequest::get(client.target(&listing.path, &query))
                })
                .collect();
            Ok::<_, crate::Error>((client.batch(&requests).await?, chunk))
        }
    };
    let mut answers = Box::pin(stream::iter(chunks).map(answered).buffered(AHEAD));
    while let Some((answers, chunk)) = answers.try_next().await? {
        for (answer, (listing, owner)) in answers.into_iter().zip(chunk) {
            let capped = answer.status == 400 && client.learn_cap(&answer.content, listing.max_count);
            if capped {
                read_on(out, &owner, listing, &mut take).await?;
                continue;
            }
            match answer.into_result(&listing.path).and_then(Items::of) {
                Ok(items)
                    if listing.paging != Paging::Whole
                        && items.len() >= client.page_size(listing.max_count) as usize =>
                {
                    read_on(out, &owner, listing, &mut take).await?;
                }
                Ok(items) => take(out, &owner, &items)?,
                Err(error) => out.failed(Object::of(&owner), error)?,
            }
        }
        out.send_ready().await?;
    }
    Ok(())
}

/// Reads one owner's list page by page.
async fn read_on<T>(out: &mut Out, owner: &Named, listing: Listing, take: &mut T) -> Result<()>
where
    T: FnMut(&mut Out, &Named, &Items) -> Result<()>,
{
    let mut pages = out.reading.client().items(listing);
    loop {
        match pages.next().await {
            Ok(Some(items)) => take(out, owner, &items)?,
            Ok(None) => return Ok(()),
            Err(error) => return out.failed(Object::of(owner), error),
        }
        out.send_ready().await?;
    }
}

/// A query with a fixed sort, for lists that are paged.
pub(super) fn sorted(mut query: Query) -> Query {
    query.push(("sortField", "Name".to_owned()));
    query
}
