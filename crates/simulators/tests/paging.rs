//! Paging styles, links, and what can be wrong with them.

use std::time::Duration;

use crate::support::{entries, get, ids, json, link, patients, sorted, start, walk, walked_ids};

const STYLES: [&str; 4] = ["", "token-pages", "keyset-pages", "drifting-pages"];

#[tokio::test]
async fn every_style_delivers_everything_once() {
    for style in STYLES {
        for sort in ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated", "&_sort=_id"] {
            let server = patients(95, &format!("{style},ties"));
            let url = format!("{}/Patient?_count=10{sort}", server.base_url());
            let pages = walk(&url).await;
            assert_eq!(pages.len(), 10, "{style} {sort}");
            assert_eq!(sorted(pages.iter().flat_map(ids).collect()), sorted(server.ids("Patient")), "{style} {sort}");
        }
    }
}

#[tokio::test]
async fn links_have_the_form_of_their_style() {
    let next = async |personality: &str| {
        let server = patients(30, personality);
        let page = json(&format!("{}/Patient?_count=10", server.base_url())).await;
        (server, link(&page, "next").unwrap())
    };
    let (server, url) = next("").await;
    assert!(
        url.starts_with(&format!("{}?_getpages=", server.base_url())) && url.contains("_getpagesoffset=10"),
        "{url}"
    );
    let (server, url) = next("token-pages").await;
    assert!(url.starts_with(&format!("{}/Patient?ct=", server.base_url())), "{url}");
    let (_, url) = next("keyset-pages").await;
    assert!(url.contains("_cursor="), "{url}");
    let (_, url) = next("drifting-pages").await;
    assert!(url.contains("_offset=10"), "{url}");
    let (_, url) = next("rooted-links,token-pages").await;
    assert!(url.starts_with("/Patient?ct="), "{url}");
    let (_, url) = next("relative-links,drifting-pages").await;
    assert!(url.starts_with("Patient?"), "{url}");
    let (server, url) = next("internal-links").await;
    assert!(
        !url.starts_with(&server.base_url()) && url.starts_with("http://fhir.internal.invalid:8080/fhir?_getpages"),
        "{url}"
    );
    for style in ["", "token-pages", "keyset-pages"] {
        let (_server, url) = next(&format!("long-links,{style}")).await;
        assert!(url.len() > 2_000, "{style}");
        assert_eq!(ids(&json(&url).await).len(), 10, "{style}");
    }
}

#[tokio::test]
async fn a_link_to_the_other_port_is_another_origin_with_the_same_data() {
    let server = patients(30, "off-origin-links");
    let page = json(&format!("{}/Patient?_count=10", server.base_url())).await;
    let url = link(&page, "next").unwrap();
    assert!(url.starts_with(&server.other_base_url()) && !url.starts_with(&server.base_url()));
    let response = crate::support::client().get(&url).bearer_auth("leaked").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(server.counters().authorized_by_host.get(&server.other_host()), Some(&1));
    assert_eq!(server.counters().authorized_by_host.get(&server.host()), None);
}

#[tokio::test]
async fn a_search_is_paged_as_far_as_the_server_lets_it() {
    let server = patients(100, "deep-paging-refused");
    let mut url = format!("{}/Patient?_count=20", server.base_url());
    for rows in [20, 20] {
        let page = json(&url).await;
        assert_eq!(ids(&page).len(), rows);
        url = link(&page, "next").unwrap();
    }
    let refused = get(&url).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("OperationOutcome"));
}

#[tokio::test]
async fn resources_with_parts_left_out_say_so() {
    let server = patients(9, "subsetted");
    let page = json(&format!("{}/Patient", server.base_url())).await;
    let tagged = |entry: &&serde_json::Value| entry["resource"]["meta"]["tag"].to_string().contains("SUBSETTED");
    assert_eq!((entries(&page).len(), entries(&page).into_iter().filter(tagged).count()), (9, 3));
}

#[tokio::test]
async fn expired_links_answer_410_with_an_outcome() {
    let server = patients(100, "expiring-links");
    let mut url = Some(format!("{}/Patient?_count=10", server.base_url()));
    let mut pages = 0;
    let status = loop {
        let response = get(&url.unwrap()).await;
        if response.status() != 200 {
            let status = response.status();
            assert!(response.text().await.unwrap().contains("OperationOutcome"));
            break status;
        }
        pages += 1;
        url = link(&serde_json::from_str(&response.text().await.unwrap()).unwrap(), "next");
    };
    assert_eq!((pages, status.as_u16()), (3, 410));

    let server = start(100, |config| config.paging.expires_after = Some(Duration::from_secs(60)));
    let url = format!("{}/Patient?_count=10", server.base_url());
    let next = link(&json(&url).await, "next").unwrap();
    assert_eq!(get(&next).await.status(), 200);
    server.clock().advance(Duration::from_secs(61));
    assert_eq!(get(&next).await.status(), 410);
    let next = link(&json(&url).await, "next").unwrap();
    server.expire_links();
    assert_eq!(get(&next).await.status(), 410);
}

#[tokio::test]
async fn a_looping_link_names_its_own_page() {
    for style in STYLES {
        let server = patients(30, &format!("looping-links,{style}"));
        let first = json(&format!("{}/Patient?_count=10", server.base_url())).await;
        let second_url = link(&first, "next").unwrap();
        let second = json(&second_url).await;
        assert_eq!(link(&second, "next").unwrap(), second_url, "{style}");
        assert_ne!(ids(&first), ids(&second));
    }
}

#[tokio::test]
async fn blank_pages_have_a_next_link_and_cost_nothing() {
    for style in STYLES {
        let server = patients(35, &format!("blank-pages,{style}"));
        let pages = walk(&format!("{}/Patient?_count=10&_sort=_lastUpdated", server.base_url())).await;
        let sizes: Vec<_> = pages.iter().map(|page| entries(page).len()).collect();
        assert_eq!(sizes, [0, 10, 10, 0, 10, 5], "{style}");
        assert_eq!(sorted(pages.iter().flat_map(ids).collect()), sorted(server.ids("Patient")), "{style}");
    }
}

#[tokio::test]
async fn an_offset_drifts_under_a_writer_and_a_stored_list_does_not() {
    for (style, complete) in [("drifting-pages", false), ("", true), ("keyset-pages", true)] {
        let server = patients(40, style);
        let first = json(&format!("{}/Patient?_count=10&_sort=_lastUpdated", server.base_url())).await;
        server.touch("Patient", &ids(&first)[0]).unwrap();
        let mut seen = ids(&first);
        seen.extend(walked_ids(&link(&first, "next").unwrap()).await);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len() == 40, complete, "{style}: {}", seen.len());
    }
}

#[tokio::test]
async fn a_stored_list_delivers_what_its_resources_are_now() {
    let server = patients(20, "");
    let first = json(&format!("{}/Patient?_count=10&_sort=_lastUpdated", server.base_url())).await;
    let all = ids(&json(&format!("{}/Patient?_count=20&_sort=_lastUpdated", server.base_url())).await);
    server.touch("Patient", &all[15]).unwrap();
    server.delete("Patient", &all[16]).unwrap();
    let second = json(&link(&first, "next").unwrap()).await;
    assert_eq!(entries(&second).len(), 9, "the deleted one is left out");
    let touched = crate::support::resources(&second).into_iter().find(|r| r["id"] == all[15].as_str()).unwrap().clone();
    assert_eq!(touched["meta"]["versionId"], "2");
}
