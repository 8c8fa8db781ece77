//! All tags of a table.

use std::collections::HashSet;

use super::{
    super::{
        items::Listing,
        ledger::Object,
        objects::{Named, selected},
        reading::Reading,
    },
    resolve,
    share::Share,
    tag::{FIELDS, Tag, TagKind},
};
use crate::error::{Error, ErrorKind, Result};

/// The most tags that one table may have.
const MOST: usize = 1_000_000;

impl Tag {
    /// The streams of a table, each once, in the order given or listed.
    ///
    /// `attributes` says what "all" means when nothing is named: attributes of AF, or points.
    ///
    /// # Errors
    /// Those of the client; what is unknown or unreadable, with its name, unless `on_tag_error=quarantine`;
    /// [`Config`](ErrorKind::Config) for more than 1,000,000 tags.
    pub(in super::super) async fn select(reading: &Reading, attributes: bool) -> Result<Vec<Self>> {
        let mut selection = Selection { seen: HashSet::new(), tags: Vec::new(), most: most(reading) };
        let options = &reading.options.tags;
        let named = !(options.tag_webids.is_empty()
            && options.tag_names.is_empty()
            && options.tag_paths.is_empty()
            && options.attribute_webids.is_empty()
            && options.element_webids.is_empty());
        selection.add(resolve::by_webid(reading, "tag_webids", &options.tag_webids).await?)?;
        selection.add(resolve::by_webid(reading, "attribute_webids", &options.attribute_webids).await?)?;
        selection.add(resolve::by_path(reading, &options.tag_paths).await?)?;
        if !options.tag_names.is_empty() {
            let servers = reading.data_servers().await?;
            selection.add(resolve::by_name(reading, &servers, &options.tag_names).await?)?;
        }
        if !options.element_webids.is_empty() {
            selection.of_elements(reading).await?;
        }
        if options.template_name.is_some() || reading.options.lists.attribute_name_filter.is_some() && !named {
            selection.of_databases(reading).await?;
        } else if options.name_filter.is_some() || !named {
            match attributes {
                true => selection.of_databases(reading).await?,
                false => selection.of_servers(reading).await?,
            }
        }
        if selection.tags.is_empty() {
            tracing::warn!(table = reading.table.name, "no tag fits the options");
        }
        if let Some(share) = options.tag_share.as_deref().and_then(Share::parse) {
            selection.tags.retain(|tag| share.has(tag));
        }
        Ok(selection.tags)
    }
}

fn most(reading: &Reading) -> Option<usize> {
    reading.options.tags.default_tags.map(|most| most as usize)
}

struct Selection {
    seen: HashSet<Box<str>>,
    tags: Vec<Tag>,
    /// Only this many of a list.
    most: Option<usize>,
}

impl Selection {
    fn add(&mut self, tags: Vec<Tag>) -> Result<()> {
        for tag in tags {
            if self.seen.insert(tag.webid.clone()) {
                self.tags.push(tag);
            }
        }
        if self.tags.len() > MOST {
            return Err(Error::new(ErrorKind::Config, "the options select more than 1,000,000 tags")
                .help("narrow nameFilter or templateName, or use several tables"));
        }
        Ok(())
    }

    /// Adds a list, page by page; how many streams it has, as far as they are wanted.
    async fn list(&mut self, reading: &Reading, listing: Listing) -> Result<usize> {
        let mut pages = reading.client().items(listing);
        let mut found = 0;
        while let Some(items) = pages.next().await? {
            let mut tags = Tag::all_of(&items)?;
            tags.iter_mut().for_each(|tag| tag.by_chance = tag.kind == TagKind::Attribute);
            found += tags.len();
            self.add(tags)?;
            if self.is_enough() {
                break;
            }
        }
        Ok(found)
    }

    fn is_enough(&mut self) -> bool {
        let Some(most) = self.most.filter(|most| self.tags.len() >= *most) else { return false };
        self.tags.truncate(most);
        true
    }

    /// Adds the lists of several owners; one that fails is told with its name, and so are options by which there is nothing.
    async fn lists(
        &mut self,
        reading: &Reading,
        owners: &[Named],
        by: &[(&'static str, Option<&str>)],
        listing: impl Fn(&Named) -> Listing,
    ) -> Result<()> {
        let (mut found, mut failed) = (0, false);
        for owner in owners {
            match self.list(reading, listing(owner)).await {
                Ok(more) => found += more,
                Err(error) => {
                    failed = true;
                    reading.tolerate(Object::of(owner), error)?;
                }
            }
            if self.is_enough() {
                break;
            }
        }
        let by: Vec<(&str, &str)> = by.iter().filter_map(|(option, text)| Some((*option, (*text)?))).collect();
        if found > 0 || failed || by.is_empty() {
            return Ok(());
        }
        let options: Vec<&str> = by.iter().map(|(option, _)| *option).collect();
        let texts: Vec<&str> = by.iter().map(|(_, text)| *text).collect();
        let error = Error::new(ErrorKind::NotFound, "there is no point or attribute with values that fits the options")
            .with("options", options.join(", "))
            .help("are they spelled right, and may this login read what they name? '*' stands for any text, '?' for a character");
        reading.tolerate(Object::named(&texts.join(", ")), error)
    }

    /// Points of the data servers, by name filter.
    async fn of_servers(&mut self, reading: &Reading) -> Result<()> {
        let servers = reading.data_servers().await?;
        let mut query = selected(FIELDS);
        query.extend(reading.options.tags.name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
        let size = page_size(reading);
        let listing =
            |server: &Named| Listing::pages(format!("dataservers/{}/points", server.web_id), query.clone(), size);
        let by = [("nameFilter", reading.options.tags.name_filter.as_deref())];
        self.lists(reading, &servers, &by, listing).await
    }

    /// Attributes of elements named by WebID.
    async fn of_elements(&mut self, reading: &Reading) -> Result<()> {
        let given = &reading.options.tags.element_webids;
        let elements = reading.canonical("elements", "element_webids", given).await?;
        let elements: Vec<Named> =
            elements.into_iter().map(|web_id| Named { web_id, name: None, path: None }).collect();
        let mut query = selected(FIELDS);
        query.extend([("searchFullHierarchy", "true".to_owned()), ("sortField", "Name".to_owned())]);
        query.extend(reading.options.lists.attribute_name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
        let size = page_size(reading);
        let listing =
            |element: &Named| Listing::pages(format!("elements/{}/attributes", element.web_id), query.clone(), size);
        let given = given.join(", ");
        let by = [
            ("element_webids", Some(given.as_str())),
            ("attributeNameFilter", reading.options.lists.attribute_name_filter.as_deref()),
        ];
        self.lists(reading, &elements, &by, listing).await
    }

    /// Attributes of the databases' elements, by template and filters.
    async fn of_databases(&mut self, reading: &Reading) -> Result<()> {
        let databases = reading.databases().await?;
        let options = &reading.options;
        let mut query = selected(FIELDS);
        query.extend([("searchFullHierarchy", "true".to_owned()), ("sortField", "Name".to_owned())]);
        query.extend(options.tags.template_name.iter().map(|name| ("elementTemplate", name.clone())));
        query.extend(options.tags.name_filter.iter().map(|filter| ("elementNameFilter", filter.clone())));
        query.extend(options.lists.attribute_name_filter.iter().map(|filter| ("attributeNameFilter", filter.clone())));
        let size = page_size(reading);
        let listing = |database: &Named| {
            Listing::pages(format!("assetdatabases/{}/elementattributes", database.web_id), query.clone(), size)
        };
        let by = [
            ("templateName", options.tags.template_name.as_deref()),
            ("nameFilter", options.tags.name_filter.as_deref()),
            ("attributeNameFilter", options.lists.attribute_name_filter.as_deref()),
        ];
        self.lists(reading, &databases, &by, listing).await
    }
}

/// Lists of tags are long: larger pages than those of other lists.
fn page_size(reading: &Reading) -> u32 {
    reading.options.max_count.unwrap_or(10_000).max(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::osipi::webid::WebId;

    #[test]
    fn more_than_a_million_tags_are_refused_with_what_to_do() {
        let webid = WebId::parse("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA").unwrap();
        let tag = |n: usize| Tag { webid: format!("I1DP{n}").into(), ..Tag::bare(&webid) };
        let mut selection = Selection { seen: HashSet::new(), tags: Vec::new(), most: None };
        selection.add((0..MOST).map(tag).collect()).unwrap();
        selection.add(vec![tag(0), tag(1)]).unwrap();
        let error = selection.add(vec![tag(MOST)]).unwrap_err();
        assert_eq!((error.kind(), selection.tags.len()), (ErrorKind::Config, MOST + 1));
        assert!(error.help_text().is_some_and(|help| help.contains("nameFilter")), "{error}");
    }
}
