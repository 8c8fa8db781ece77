//! Walks over a server that shows other pages each time.

use std::sync::Mutex;

use arrow::array::AsArray;
use chrono::DateTime;
use url::Url;

use super::{
    super::{
        config::TableOptions,
        row_id::Seal,
        scope::Overlap,
        tables,
        wire::{Reply, Search},
    },
    *,
};
use crate::{
    clock::ManualClock,
    decode::{DecodeOptions, Decoder},
    options::Options,
    read::BadRows,
};

/// The ids on each page of each walk; the last walk stays.
struct Scripted {
    walks: Vec<Vec<Vec<&'static str>>>,
    begun: Arc<Mutex<usize>>,
}

impl Scripted {
    fn page(&self, walk: usize, page: usize) -> Reply {
        let pages = &self.walks[walk.min(self.walks.len() - 1)];
        let entries: Vec<String> = pages[page]
            .iter()
            .map(|id| format!(r#"{{"resource":{{"resourceType":"Patient","id":"{id}","meta":{{"versionId":"1"}}}}}}"#))
            .collect();
        let next = match page + 1 < pages.len() {
            true => format!(r#"{{"relation":"next","url":"/{walk}/{}"}}"#, page + 1),
            false => String::new(),
        };
        let body = format!(r#"{{"resourceType":"Bundle","link":[{next}],"entry":[{}]}}"#, entries.join(","));
        let url = Url::parse("http://scripted/").unwrap();
        Reply { status: 200, date: None, url, content_type: None, body: body.into() }
    }
}

impl Wire for Scripted {
    async fn search(&self, search: &Search) -> Result<Reply> {
        assert!(search.query.iter().all(|(name, _)| name == "_count"), "{:?}", search.query);
        let mut begun = self.begun.lock().unwrap();
        *begun += 1;
        Ok(self.page(*begun - 1, 0))
    }

    async fn follow(&self, link: &Url) -> Result<Reply> {
        let mut place = link.path_segments().unwrap().map(|part| part.parse().unwrap());
        Ok(self.page(place.next().unwrap(), place.next().unwrap()))
    }

    fn resolve(&self, from: &Url, link: &str) -> Result<Url> {
        Ok(from.join(link).unwrap())
    }
}

/// The ids that were sent, in order, and how many walks it took.
async fn read(walks: &[&[&[&'static str]]]) -> (Result<Vec<String>>, usize) {
    let walks = walks.iter().map(|pages| pages.iter().map(|ids| ids.to_vec()).collect()).collect();
    let begun = Arc::new(Mutex::new(0));
    let server = Arc::new(Server {
        wire: Scripted { walks, begun: Arc::clone(&begun) },
        table: "Patient".to_owned(),
        filter: Vec::new(),
        page_size: 2,
        strict_mode: true,
        clock: Arc::new(ManualClock::new(DateTime::UNIX_EPOCH)),
        learned: Learned::default(),
    });
    let options = TableOptions::parse(&Options::new().with("schema_mode", "raw")).unwrap();
    let decoder = Decoder::new(tables::shape("Patient", &options, None).unwrap(), DecodeOptions::new("Patient"));
    let overlap = Arc::new(Overlap::none(Seal::new(Hash::NONE)));
    let rows = Rows::new("Patient".to_owned(), decoder, BadRows::Fail, overlap);
    let mut task = Task::spawn(1, move |out| async move {
        Walker::new(server, rows, out).read_unfiltered(Scope::WithoutStamp).await.map(drop)
    });
    let mut ids = Vec::new();
    let outcome = loop {
        match task.next().await {
            Ok(Some(Piece::Rows(batch))) => {
                let column = batch.column_by_name("id").unwrap().as_string::<i32>().clone();
                ids.extend(column.iter().flatten().map(str::to_owned));
            }
            Ok(Some(_)) => {}
            Ok(None) => break Ok(ids),
            Err(error) => break Err(error),
        }
    };
    let begun = *begun.lock().unwrap();
    (outcome, begun)
}

#[tokio::test]
async fn rows_without_a_stamp_are_looked_for_until_two_walks_in_a_row_see_the_same() {
    let (ids, walks) = read(&[&[&["a", "b"], &["c"]]]).await;
    assert_eq!((ids.unwrap().len(), walks), (3, 2));
    // A row was deleted while the first walk turned the page, so another one was passed over.
    let (ids, walks) = read(&[&[&["a", "b"], &["d"]], &[&["b", "c"], &["d"]]]).await;
    assert_eq!((ids.unwrap(), walks), (["a", "b", "d", "c"].map(str::to_owned).to_vec(), 3));
}

#[tokio::test]
async fn a_single_page_is_of_one_moment() {
    let (ids, walks) = read(&[&[&["a", "b"]], &[&["c"]]]).await;
    assert_eq!((ids.unwrap().len(), walks), (2, 1));
}

#[tokio::test]
async fn rows_that_never_hold_still_are_an_error_that_says_so() {
    let (ids, _) =
        read(&[&[&["a"], &["b"]], &[&["b"], &["c"]], &[&["c"], &["d"]], &[&["d"], &["e"]], &[&["e"], &["f"]]]).await;
    assert_eq!(ids.unwrap_err().kind(), ErrorKind::Unavailable);
}
