//! Several machines behind one address, of which each knows only the markers that it gave out itself.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use lakeflow_simulators::osipi::Ticks;

use super::{
    deletions::{begin, disturb, restless_plant, table},
    lake::Lake,
    proxy::{Way, in_front},
    timeless,
};

#[tokio::test(flavor = "multi_thread")]
async fn all_requests_of_a_connection_go_to_the_machine_that_knows_its_markers() {
    let (first, second) = (restless_plant(), restless_plant());
    let hosts = [first.host(), second.host()];
    let next = AtomicUsize::new(0);
    let address = in_front(move |head, _| {
        let cookie = head.headers.get("cookie").and_then(|value| value.to_str().ok());
        let known = (0..hosts.len()).find(|node| cookie == Some(format!("node={node}").as_str()));
        let node = known.unwrap_or_else(|| next.fetch_add(1, Ordering::SeqCst) % hosts.len());
        Way::To(hosts[node].clone(), known.is_none().then(|| format!("node={node}; Path=/; HttpOnly")))
    })
    .await;
    let source = timeless(&first, &[("pi_base_url", &address)]);
    let (mut lake, mut random) = (Lake::default(), fastrand::Rng::with_seed(3));
    for run in 0..3 {
        lake.run(&source, &table("updates"), usize::MAX).await.unwrap();
        let faults = lake.faults(&first, begin(), Ticks(Ticks::from(first.clock().now()).0 + 1));
        assert!(faults.is_empty(), "run {run}: {} faults, first {:?}", faults.len(), faults.first());
        disturb(&first, &mut random, true);
        first.clock().advance(Duration::from_secs(60));
    }
    let updates = first.exchanges().iter().filter(|exchange| exchange.path.ends_with("/updates")).count();
    assert!(updates > 2 && second.exchanges().is_empty(), "{updates} {}", second.exchanges().len());
}
