//! Signed assertions: every shape of key, verified with its public half. Keys are made anew in each test.

use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, EcPrivateKeyRfc5915Der, Pkcs8V1Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lakeflow_connect::{
    ErrorKind, Secret,
    http::{Auth, ClientAuth, ClientCredentials, KeyAlgorithm, PrivateKeyJwt, SigningKey, TokenEndpoint},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use super::support::{InTurn, Timed, noon, url};

struct Rsa {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl Rsa {
    fn new() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der = pair.as_der().unwrap();
        Self { pkcs8: der.as_ref().to_vec(), public: pair.public_key().as_ref().to_vec() }
    }

    /// A PKCS#8 RSA key is a header of 26 bytes and the PKCS#1 key.
    fn pkcs1(&self) -> &[u8] {
        &self.pkcs8[26..]
    }

    fn jwk(&self) -> Value {
        // Sequence of: version, n, e, d, p, q, dp, dq, qi.
        let mut rest = &self.pkcs1()[4..];
        let mut numbers = Vec::new();
        while let [2, length, tail @ ..] = rest {
            let (length, tail) = match length {
                0x82 => (usize::from(tail[0]) << 8 | usize::from(tail[1]), &tail[2..]),
                0x81 => (usize::from(tail[0]), &tail[1..]),
                short => (usize::from(*short), tail),
            };
            let (number, tail) = tail.split_at(length);
            let number: Vec<u8> = number.iter().copied().skip_while(|b| *b == 0).collect();
            numbers.push(URL_SAFE_NO_PAD.encode(number));
            rest = tail;
        }
        let names = ["version", "n", "e", "d", "p", "q", "dp", "dq", "qi"];
        let mut jwk: Value = names.into_iter().zip(numbers).collect();
        jwk["kty"] = json!("RSA");
        jwk["kid"] = json!("from-jwk");
        jwk
    }

    fn verifier(&self) -> DecodingKey {
        DecodingKey::from_rsa_der(&self.public)
    }
}

struct Ec(EcdsaKeyPair);

impl Ec {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    fn pkcs8(&self) -> Vec<u8> {
        self.0.to_pkcs8v1().unwrap().as_ref().to_vec()
    }

    fn sec1(&self) -> Vec<u8> {
        let der: EcPrivateKeyRfc5915Der = self.0.private_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    fn jwk(&self) -> Value {
        let d: EcPrivateKeyBin = self.0.private_key().as_be_bytes().unwrap();
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(48);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-384", "kid": "from-jwk", "x": encode(x), "y": encode(y), "d": encode(d.as_ref())})
    }

    fn verifier(&self) -> DecodingKey {
        DecodingKey::from_ec_der(self.0.public_key().as_ref())
    }
}

fn pem(label: &str, der: &[u8], line_break: &str) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let body = lines.join(line_break);
    format!("-----BEGIN {label}-----{line_break}{body}{line_break}-----END {label}-----{line_break}")
}

fn shapes(label: &str, der: &[u8]) -> Vec<String> {
    let plain = pem(label, der, "\n");
    vec![
        plain.clone(),
        pem(label, der, "\r\n"),
        pem(label, der, "\\n"),
        pem(label, der, "\\\\n"),
        pem(label, der, " "),
        pem(label, der, ""),
        format!("\"{}\"", pem(label, der, "\\n")),
        format!("   \n{plain}\n\n"),
        STANDARD.encode(der),
    ]
}

fn parse(text: &str) -> lakeflow_connect::Result<SigningKey> {
    SigningKey::parse(&Secret::new(text), None)
}

struct TokenServer(MockServer);

impl TokenServer {
    async fn start(answers: InTurn) -> Self {
        let server = MockServer::start().await;
        Mock::given(path("/token")).respond_with(answers).mount(&server).await;
        Mock::given(path("/Patient")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        Self(server)
    }

    async fn granting() -> Self {
        Self::start(InTurn::new([granted()])).await
    }

    fn token_url(&self) -> String {
        format!("{}/token", self.0.uri())
    }

    async fn ask(&self, jwt: PrivateKeyJwt) -> lakeflow_connect::Result<()> {
        let endpoint = TokenEndpoint::Url(url(&self.token_url()));
        let credentials =
            ClientCredentials::new(endpoint, "client-1", ClientAuth::PrivateKeyJwt(jwt)).scope("system/*.rs");
        let timed = Timed::with_auth(&self.0.uri(), Auth::client_credentials(credentials));
        timed.client.get("Patient").send().await.map(|_| ())
    }

    /// The assertions received, in order; checks the form around them.
    async fn assertions(&self) -> Vec<String> {
        let requests = self.0.received_requests().await.unwrap();
        let forms = requests.iter().filter(|r| r.url.path() == "/token");
        forms
            .map(|r| {
                let form: std::collections::BTreeMap<String, String> =
                    url::form_urlencoded::parse(&r.body).into_owned().collect();
                assert_eq!(form["grant_type"], "client_credentials");
                assert_eq!(form["scope"], "system/*.rs");
                assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                assert!(!r.headers.contains_key("authorization") && !form.contains_key("client_id"));
                form["client_assertion"].clone()
            })
            .collect()
    }
}

fn granted() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"access_token": "t", "token_type": "bearer", "expires_in": 300, "scope": "system/*.rs"}))
}

fn claims(assertion: &str, algorithm: Algorithm, key: &DecodingKey, audience: &str) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false; // the clock of these tests stands still in the past
    validation.set_audience(&[audience]);
    decode::<Value>(assertion, key, &validation).unwrap().claims
}

#[tokio::test]
async fn rsa_keys_of_every_shape_sign_rs384() {
    let rsa = Rsa::new();
    let mut texts = shapes("PRIVATE KEY", &rsa.pkcs8);
    texts.extend(shapes("RSA PRIVATE KEY", rsa.pkcs1()));
    texts.push(rsa.jwk().to_string());
    let server = TokenServer::granting().await;
    for (n, text) in texts.iter().enumerate() {
        let key = parse(text).unwrap_or_else(|e| panic!("shape {n}: {e}"));
        assert_eq!(key.algorithm(), KeyAlgorithm::Rs384);
        server.ask(PrivateKeyJwt::new(key)).await.unwrap();
    }
    let assertions = server.assertions().await;
    assert_eq!(assertions.len(), texts.len());
    for assertion in &assertions {
        claims(assertion, Algorithm::RS384, &rsa.verifier(), &server.token_url());
    }
}

#[tokio::test]
async fn ec_keys_of_every_shape_sign_es384() {
    let ec = Ec::new();
    let mut texts = shapes("PRIVATE KEY", &ec.pkcs8());
    texts.extend(shapes("EC PRIVATE KEY", &ec.sec1()));
    texts.push(ec.jwk().to_string());
    // What openssl writes: the curve's parameters first.
    texts.push(format!(
        "{}{}",
        pem("EC PARAMETERS", &[6, 5, 43, 129, 4, 0, 34], "\n"),
        pem("EC PRIVATE KEY", &ec.sec1(), "\n")
    ));
    let server = TokenServer::granting().await;
    for (n, text) in texts.iter().enumerate() {
        let key = parse(text).unwrap_or_else(|e| panic!("shape {n}: {e}"));
        assert_eq!(key.algorithm(), KeyAlgorithm::Es384);
        server.ask(PrivateKeyJwt::new(key)).await.unwrap();
    }
    for assertion in server.assertions().await {
        claims(&assertion, Algorithm::ES384, &ec.verifier(), &server.token_url());
        let signature = URL_SAFE_NO_PAD.decode(assertion.rsplit('.').next().unwrap()).unwrap();
        assert_eq!(signature.len(), 96, "r and s in full, not DER");
    }
}

#[tokio::test]
async fn the_assertion_says_what_smart_asks_for() {
    let (ec, server) = (Ec::new(), TokenServer::granting().await);
    let mut jwt = PrivateKeyJwt::new(parse(&ec.jwk().to_string()).unwrap());
    jwt.jku = Some("https://client.example/jwks.json".to_owned());
    server.ask(jwt.clone()).await.unwrap();
    jwt.kid = Some("registered".to_owned());
    jwt.audience = Some("https://other.example/aud".to_owned());
    server.ask(jwt).await.unwrap();
    let assertions = server.assertions().await;
    let header = decode_header(&assertions[0]).unwrap();
    assert_eq!(header.alg, Algorithm::ES384);
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    assert_eq!(header.kid.as_deref(), Some("from-jwk"));
    assert_eq!(header.jku.as_deref(), Some("https://client.example/jwks.json"));
    let first = claims(&assertions[0], Algorithm::ES384, &ec.verifier(), &server.token_url());
    assert_eq!((&first["iss"], &first["sub"]), (&json!("client-1"), &json!("client-1")));
    let (iat, exp, now) = (first["iat"].as_i64().unwrap(), first["exp"].as_i64().unwrap(), noon().timestamp());
    assert!((now - 30..=now).contains(&iat) && exp > now && exp - iat <= 300 && exp <= now + 300, "{iat} {exp}");
    assert_eq!(decode_header(&assertions[1]).unwrap().kid.as_deref(), Some("registered"));
    claims(&assertions[1], Algorithm::ES384, &ec.verifier(), "https://other.example/aud");
}

#[tokio::test]
async fn every_try_of_the_token_call_has_an_assertion_of_its_own() {
    let ec = Ec::new();
    let busy = ResponseTemplate::new(503);
    let server = TokenServer::start(InTurn::new([busy.clone(), busy, granted()])).await;
    server.ask(PrivateKeyJwt::new(parse(&ec.jwk().to_string()).unwrap())).await.unwrap();
    let assertions = server.assertions().await;
    let jti = |a: &String| {
        claims(a, Algorithm::ES384, &ec.verifier(), &server.token_url())["jti"].as_str().unwrap().to_owned()
    };
    let ids: std::collections::BTreeSet<String> = assertions.iter().map(jti).collect();
    assert_eq!((assertions.len(), ids.len()), (3, 3));
    assert!(ids.iter().all(|id| id.len() == 32));
}

#[test]
fn keys_that_cannot_be_used_say_why_and_show_nothing() {
    let rsa = Rsa::new();
    let ec = Ec::new();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    let mut public_only = ec.jwk();
    public_only.as_object_mut().unwrap().remove("d");
    let mut mixed = ec.jwk();
    mixed["x"] = Ec::new().jwk()["x"].clone();
    for (text, wanted) in [
        (String::new(), "cannot be read"),
        ("MARKER".to_owned(), "cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\nMARKER".to_owned(), "cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\n!MARKER\n-----END PRIVATE KEY-----".to_owned(), "cannot be read"),
        (pem("CERTIFICATE", b"MARKER", "\n"), "cannot be read"),
        (pem("PRIVATE KEY", &rsa.pkcs8[..500], "\n"), "cannot be read"),
        (pem("ENCRYPTED PRIVATE KEY", &rsa.pkcs8, "\n"), "is encrypted"),
        (pem("PRIVATE KEY", p256.as_ref(), "\n"), "not on curve P-384"),
        ("{\"kty\":\"MARKER".to_owned(), "cannot be read"),
        (json!({"kty": "oct", "d": "MARKER"}).to_string(), "neither"),
        (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "MARKER"}).to_string(), "must hold n, e, d, p, q"),
        (public_only.to_string(), "no private key"),
        (mixed.to_string(), "cannot be read"),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(wanted), "{error}");
        assert!(!format!("{error:?}").contains("MARKER"));
    }
    let text = Secret::new(pem("PRIVATE KEY", &rsa.pkcs8, "\n"));
    let error = SigningKey::parse(&text, Some(KeyAlgorithm::Es384)).unwrap_err();
    assert_eq!((error.get("algorithm"), error.get("key_is_for")), (Some("ES384"), Some("RS384")));
    assert_eq!(format!("{:?}", parse(text.expose()).unwrap()), "SigningKey(RS384)");
}
