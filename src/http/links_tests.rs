use super::*;

fn policy(base: &str, allowed: &[&str], rewrite: bool) -> LinkPolicy {
    let base = checked_base(base.parse().unwrap(), true).unwrap();
    let allowed: Vec<String> = allowed.iter().map(|s| (*s).to_owned()).collect();
    LinkPolicy::new(base, &allowed, rewrite, false).unwrap()
}

#[test]
fn relative_links_keep_the_base_path() {
    let p = policy("https://h.example/fhir/r4", &[], false);
    let current: Url = "https://h.example/fhir/r4/Patient?_count=2".parse().unwrap();
    for (link, wanted) in [
        ("Patient?page=2", "https://h.example/fhir/r4/Patient?page=2"),
        ("/Patient?page=2", "https://h.example/fhir/r4/Patient?page=2"),
        ("/fhir/r4/Patient?page=2", "https://h.example/fhir/r4/Patient?page=2"),
        ("/fhir/r4?_getpages=1", "https://h.example/fhir/r4?_getpages=1"),
        ("/fhir/r40/Patient", "https://h.example/fhir/r4/fhir/r40/Patient"),
        ("?page=2", "https://h.example/fhir/r4/Patient?page=2"),
        ("https://h.example/fhir/r4?x=a%2Bb#f", "https://h.example/fhir/r4?x=a%2Bb"),
        ("https://h.example:443/elsewhere?x", "https://h.example/elsewhere?x"),
        ("a:b/c", ""),
        ("Patient/a:b", "https://h.example/fhir/r4/Patient/a:b"),
        ("../admin", ""),
        ("/fhir/r4/../../admin", ""),
        ("/%2e%2e/admin", ""),
    ] {
        match p.resolve(Some(&current), link) {
            Ok(url) => assert_eq!(url.as_str(), wanted, "{link}"),
            Err(error) => assert!(wanted.is_empty(), "{link}: {error}"),
        }
    }
}

#[test]
fn links_to_another_host_are_refused_and_both_hosts_named() {
    let p = policy("https://h.example/fhir", &[], false);
    for link in [
        "https://evil.example/fhir/Patient?t=MARKER",
        "//evil.example/x",
        "https://h.example:8443/fhir",
        "http://h.example/fhir",
        "https://h.example@evil.example/",
        "https://h.example.evil.example/",
        "/\\evil.example/",
        "ftp://h.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ] {
        match p.resolve(None, link) {
            Ok(url) => assert_eq!(url.host_str(), Some("h.example"), "{link} -> {url}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Protocol);
                assert_eq!(error.get("base_host"), Some("https://h.example"));
                assert!(!format!("{error:?}").contains("MARKER"));
            }
        }
    }
    let error = p.resolve(None, "https://evil.example/x").unwrap_err();
    assert_eq!(error.get("link_host"), Some("https://evil.example"));
    assert!(p.resolve(None, "http://h.example/fhir").is_err(), "no way down to http");
}

#[test]
fn allowed_hosts_are_origins() {
    let p = policy("https://h.example", &["files.example", "https://a.example:8443", "http://plain.example"], false);
    assert!(p.resolve(None, "https://files.example/1.ndjson").is_ok());
    assert!(p.resolve(None, "https://a.example:8443/").is_ok());
    for link in [
        "https://files.example:444/",
        "http://files.example/",
        "https://a.example/",
        "https://sub.files.example/",
        "http://plain.example/",
    ] {
        assert!(p.resolve(None, link).is_err(), "{link}");
    }
    for bad in ["https://a.example/path", "ftp://a.example", "a b", "https://u@a.example"] {
        assert!(AllowedHost::parse(bad).is_err(), "{bad}");
    }
    assert!(AllowedHost::parse("a.example:443").unwrap().matches(&"https://a.example/x".parse().unwrap()));
}

#[test]
fn rewriting_puts_an_internal_name_back_on_the_base_origin() {
    let p = policy("https://h.example/fhir", &[], true);
    let url = p.resolve(None, "http://10.0.0.7:8080/fhir/Patient?page=2").unwrap();
    assert_eq!(url.as_str(), "https://h.example/fhir/Patient?page=2");
}

#[test]
fn internal_addresses_are_refused_unless_the_base_is_one() {
    let links = [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://metadata.google.internal/",
        "https://100.100.100.200/",
        "https://0.0.0.0/",
        "https://2130706433/",
    ];
    for link in links {
        let host = Url::parse(link).unwrap().host_str().unwrap().to_owned();
        assert!(policy("https://h.example", &[&host], false).resolve(None, link).is_err(), "{link}");
        assert!(policy("http://127.0.0.1:9", &[&host], false).resolve(None, link).is_ok(), "{link}");
    }
}

#[test]
fn an_overlong_link_is_refused_and_a_long_one_is_not() {
    let p = policy("https://h.example/fhir", &[], false);
    assert!(p.resolve(None, &format!("?t={}", "x".repeat(60_000))).is_ok());
    assert!(p.resolve(None, &format!("?t={}", "x".repeat(70_000))).is_err());
}

#[test]
fn redirects_never_go_from_https_to_http() {
    let p = policy("https://h.example/fhir", &["http://plain.example"], false);
    let from: Url = "https://h.example/fhir/Patient".parse().unwrap();
    assert!(p.redirect(&from, "http://h.example/fhir/Patient").is_err());
    assert!(p.redirect(&from, "http://plain.example/").is_err());
    assert_eq!(p.redirect(&from, "/other").unwrap().as_str(), "https://h.example/other");
}

#[test]
fn the_base_is_https_or_local_and_holds_no_credentials() {
    let check = |base: &str, insecure| checked_base(base.parse().unwrap(), insecure).map(String::from);
    assert_eq!(check("https://h.example/fhir#f", false).unwrap(), "https://h.example/fhir/");
    for local in ["http://localhost:1/", "http://127.3.2.1/", "http://[::1]/"] {
        assert!(check(local, false).is_ok(), "{local}");
    }
    assert!(check("http://h.example", false).unwrap_err().help_text().unwrap().contains("allow_insecure"));
    assert!(check("http://h.example", true).is_ok());
    let error = check("https://u:MARKER@h.example", false).unwrap_err();
    assert!(!error.to_string().contains("MARKER"));
    assert!(check("https://h.example?x=1", false).is_err());
}
