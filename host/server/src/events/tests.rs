//! What is declared, over a real store and a driver that runs.

use backplane_events::{Pattern, SubscriptionSpec, Topic};
use backplane_store::StoreOptions;
use tokio::task::JoinHandle;

use super::*;

/// Events of nobody, and the driver.
struct Setup {
    events: Events,
    store: Arc<Store>,
    shutdown: CancellationToken,
    driver: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn start() -> Setup {
    let (hook, feeding, _tail) = Feed::open();
    start_with(Some(hook), feeding).await
}

/// Starts it with a store that tells this hook what is published.
async fn start_with(published: Option<stored::PublishedHook>, feeding: Feeding) -> Setup {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut options = StoreOptions::new(folder.path().join("backplane.sqlite"));
    options.published = published;
    let store = Store::open(options).expect("a new store");
    let (live, _commands) = Live::new();
    let parts = EventsParts {
        store: Arc::clone(&store),
        live,
        feeding,
        clock: Clock::SYSTEM,
        reply_ttl: Duration::from_secs(60),
        step_apart: false,
    };
    let (events, delivering) = Events::start(parts).await.expect("the log can be read");
    let shutdown = CancellationToken::new();
    let driver = tokio::spawn(delivering.run(shutdown.clone(), Duration::from_secs(5)));
    Setup { events, store, shutdown, driver, _folder: folder }
}

impl Setup {
    /// Returns the patterns of all that is open, of whatever plugin.
    async fn open(&self) -> Vec<String> {
        let open = self.store.write(stored::list_open_subscriptions).await.expect("the store can be read");
        open.into_iter().map(|(_, _, pattern)| pattern).collect()
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.driver.await.expect("it does not panic");
    }
}

/// Subscriptions to these topics.
fn subscribing(topics: impl IntoIterator<Item = String>) -> Declaration {
    let spec = |topic: String| SubscriptionSpec { pattern: Pattern::new(&topic).expect("a pattern"), attempts: 12 };
    Declaration { subscriptions: topics.into_iter().map(spec).collect(), schedules: Vec::new() }
}

#[tokio::test]
async fn a_declaration_that_is_refused_opens_nothing_and_closes_nothing() {
    let setup = start().await;
    setup.events.declare("a", &subscribing(["t.live".into()])).await.expect("one");
    let many = subscribing((0..=Limits::default().subscriptions).map(|number| format!("t.{number}")));
    for plugin in ["a", "b"] {
        let refused = setup.events.declare(plugin, &many).await;
        assert!(matches!(refused, Err(DeclareError::Subscriptions(_))), "{refused:?}");
    }
    assert_eq!(setup.open().await, ["t.live"]);
    setup.events.declare("a", &subscribing(["t.live".into(), "t.new".into()])).await.expect("two");
    assert_eq!(setup.open().await, ["t.live", "t.new"]);
    setup.end().await;
}

#[tokio::test]
async fn an_event_that_nobody_was_told_of_yet_has_its_place_for_who_names_it() {
    let (_hook, feeding, _tail) = Feed::open();
    let setup = start_with(None, feeding).await;
    let event = Publish {
        id: None,
        is_chosen: false,
        source: "/clients/a".into(),
        topic: Topic::new("t").expect("a topic"),
        key: None,
        time: None,
        content_type: "text/plain".into(),
        payload: Vec::new(),
        trace_parent: None,
    };
    let accepted = setup.events.publish("a", vec![event], None).await.expect("the log takes it");
    let Seq(place) = accepted[0].seq;
    assert_eq!(setup.events.head(), Seq::ZERO);
    for (named, head) in [(0, 0), (place, place), (place + 1, place)] {
        assert_eq!(setup.events.head_for(Seq(named)).await.expect("the log can be read"), Seq(head), "{named}");
    }
    setup.end().await;
}
