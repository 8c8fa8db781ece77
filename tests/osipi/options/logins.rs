//! Options of a connection: where the server is, and where its tokens come from.

use futures::TryStreamExt;
use lakeflow_connect::{Error, Options, ReadEvent, ReadRequest, TableRef};
use lakeflow_simulators::osipi::{Config, RunningServer, Server};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header, method, path},
};

use super::super::connect;

/// Tried here.
pub(super) const OPTIONS: [&str; 19] = [
    "pi_base_url",
    "host",
    "port",
    "base_path",
    "auth_type",
    "access_token",
    "client_id",
    "client_secret",
    "token_url",
    "oidc_issuer",
    "workspace_host",
    "oauth_scope",
    "oauth_audience",
    "oauth_resource",
    "oauth_client_auth",
    "allow_anonymous",
    "webid_type",
    "user_agent",
    "debug_http",
];

fn server(auth: &str) -> RunningServer {
    let mut config = Config { points: 2, base_path: "/plant/piwebapi".to_owned(), ..Config::default() };
    config.set("auth", auth).unwrap();
    Server::start(config).unwrap()
}

async fn servers_read(options: &[(&str, &str)]) -> Result<usize, Error> {
    let options: Options = options.iter().copied().collect();
    let source = connect(&options.with("max_retries", "0"))?;
    let events: Vec<ReadEvent> =
        source.read_table(ReadRequest::new(TableRef::new("pi_dataservers"))).try_collect().await?;
    let of = |event: &ReadEvent| match event {
        ReadEvent::Records(records) => records.rows(),
        _ => 0,
    };
    Ok(events.iter().map(of).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_the_address_does_what_it_says() {
    let server = server("none");
    let (address, port) = server.host().rsplit_once(':').map(|(a, p)| (format!("http://{a}"), p.to_owned())).unwrap();
    let whole = [("host", address.as_str()), ("port", &port), ("base_path", "/plant/piwebapi")];
    let with = |more: &[(&'static str, &'static str)]| [&whole[..], more].concat();
    assert_eq!(servers_read(&with(&[("allow_anonymous", "true")])).await.unwrap(), 1);
    assert_eq!(servers_read(&with(&[("auth_type", "anonymous"), ("webid_type", "IDOnly")])).await.unwrap(), 1);
    assert!(servers_read(&with(&[])).await.is_err(), "nobody said that no login is wanted");
    let elsewhere = [("host", address.as_str()), ("port", &port), ("auth_type", "anonymous")];
    assert!(servers_read(&elsewhere).await.is_err(), "the path is another one");
    server.journal().clear();
    let base = server.base_url();
    let named = [("pi_base_url", base.as_str()), ("auth_type", "anonymous"), ("user_agent", "plant-reader/7")];
    assert_eq!(servers_read(&named).await.unwrap(), 1);
    assert!(server.exchanges().iter().all(|exchange| exchange.header("user-agent") == Some("plant-reader/7")));
    let logged = [("pi_base_url", base.as_str()), ("auth_type", "anonymous"), ("debug_http", "true")];
    assert_eq!(servers_read(&logged).await.unwrap(), 1);
}

/// An identity provider that gives its token for just this.
async fn provider(at: &str, wanted: &[&str]) -> MockServer {
    let provider = MockServer::start().await;
    let token = serde_json::json!({ "access_token": "good", "token_type": "Bearer", "expires_in": 3600 });
    let mut mock = Mock::given(method("POST")).and(path(at));
    for part in wanted {
        mock = mock.and(body_string_contains(*part));
    }
    mock.respond_with(ResponseTemplate::new(200).set_body_json(token)).mount(&provider).await;
    let published = serde_json::json!({ "token_endpoint": format!("{}{at}", provider.uri()) });
    let openid = Mock::given(method("GET")).and(path("/.well-known/openid-configuration"));
    openid.respond_with(ResponseTemplate::new(200).set_body_json(published)).mount(&provider).await;
    provider
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_tokens_does_what_it_says() {
    let server = server("bearer:good");
    let base = server.base_url();
    assert_eq!(servers_read(&[("pi_base_url", &base), ("access_token", "good")]).await.unwrap(), 1);
    let client =
        [("pi_base_url", base.as_str()), ("auth_type", "oidc"), ("client_id", "me"), ("client_secret", "mine")];
    for (at, wanted, options) in [
        ("/token", "scope=system", &[("token_url", "URL/token")][..]),
        ("/any/where", "scope=system", &[("oidc_issuer", "URL")]),
        ("/oidc/v1/token", "scope=all-apis", &[("workspace_host", "URL")]),
        ("/token", "scope=piwebapi", &[("token_url", "URL/token"), ("oauth_scope", "piwebapi")]),
        ("/token", "audience=plant", &[("token_url", "URL/token"), ("oauth_audience", "plant")]),
        ("/token", "resource=archive", &[("token_url", "URL/token"), ("oauth_resource", "archive")]),
        ("/token", "client_secret=mine", &[("token_url", "URL/token"), ("oauth_client_auth", "post")]),
    ] {
        let provider = provider(at, &[wanted, "grant_type=client_credentials"]).await;
        let given: Vec<(&str, String)> =
            options.iter().map(|(name, value)| (*name, value.replace("URL", &provider.uri()))).collect();
        let all: Vec<(&str, &str)> = client.into_iter().chain(given.iter().map(|(n, v)| (*n, v.as_str()))).collect();
        let read = servers_read(&all).await;
        assert!(matches!(read, Ok(1)), "{options:?}: {read:?}");
    }
    let strict = MockServer::start().await;
    let token = serde_json::json!({ "access_token": "good", "token_type": "Bearer" });
    let basic = Mock::given(method("POST")).and(header("authorization", "Basic bWU6bWluZQ=="));
    basic.respond_with(ResponseTemplate::new(200).set_body_json(token)).mount(&strict).await;
    let at = strict.uri();
    let all = [&client[..], &[("token_url", at.as_str()), ("oauth_client_auth", "basic")]].concat();
    assert_eq!(servers_read(&all).await.unwrap(), 1, "in a header, when not said otherwise");
}
