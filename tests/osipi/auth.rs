//! Logins of a connection, each against the simulator.

use lakeflow_connect::{ErrorKind, Options};

use super::connect;

#[cfg(not(feature = "kerberos"))]
#[test]
fn without_the_feature_kerberos_is_refused_with_the_name_of_the_feature() {
    let options = [("pi_base_url", "https://pi.example.org"), ("auth_type", "kerberos")];
    let error = connect(&options.into_iter().collect::<Options>()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(format!("{error}").contains("cargo feature 'kerberos'"), "{error}");
}

#[cfg(feature = "kerberos")]
#[test]
fn a_keytab_that_the_process_does_not_use_is_refused_with_the_variable_to_set() {
    let options = [
        ("pi_base_url", "https://pi.example.org"),
        ("auth_type", "kerberos"),
        ("kerberos_keytab", "/nowhere/svc.keytab"),
    ];
    let error = connect(&options.into_iter().collect::<Options>()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.help_text().unwrap().contains("KRB5_CLIENT_KTNAME=/nowhere/svc.keytab"), "{error}");
}
