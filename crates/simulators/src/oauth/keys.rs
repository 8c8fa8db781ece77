//! Throw-away key pairs for tests, made when they are needed and never stored.

use aws_lc_rs::{
    encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};

use crate::SimError;

/// A key pair for signed client assertions.
#[derive(Clone, Debug)]
pub struct TestKey {
    /// The key id in the JWK Set.
    pub kid: String,
    /// `RS384` or `ES384`.
    pub algorithm: &'static str,
    /// The private key as PKCS#8 PEM.
    pub private_pem: String,
    /// The private key in the older PEM form: PKCS#1 for RSA, SEC1 for EC.
    pub legacy_private_pem: String,
    /// A JWK Set of the public key.
    pub jwks: String,
}

impl TestKey {
    /// A new RSA key of 2048 bits.
    ///
    /// # Errors
    /// When the crypto library cannot make a key.
    pub fn rs384(kid: &str) -> Result<Self, SimError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?;
        let pkcs1 = octets(pkcs8.as_ref()).ok_or_else(|| SimError::Key("the key has an unknown form".to_owned()))?;
        let jwks = jwks(&EncodingKey::from_rsa_der(pkcs1), Algorithm::RS384, kid)?;
        Ok(Self {
            kid: kid.to_owned(),
            algorithm: "RS384",
            private_pem: pem("PRIVATE KEY", pkcs8.as_ref()),
            legacy_private_pem: pem("RSA PRIVATE KEY", pkcs1),
            jwks,
        })
    }

    /// A new EC key on P-384.
    ///
    /// # Errors
    /// When the crypto library cannot make a key.
    pub fn es384(kid: &str) -> Result<Self, SimError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
        let sec1 = AsDer::<EcPrivateKeyRfc5915Der<'_>>::as_der(&pair.private_key()).map_err(failed)?;
        let jwks = jwks(&EncodingKey::from_ec_der(pkcs8.as_ref()), Algorithm::ES384, kid)?;
        Ok(Self {
            kid: kid.to_owned(),
            algorithm: "ES384",
            private_pem: pem("PRIVATE KEY", pkcs8.as_ref()),
            legacy_private_pem: pem("EC PRIVATE KEY", sec1.as_ref()),
            jwks,
        })
    }
}

fn failed(error: impl std::fmt::Display) -> SimError {
    SimError::Key(error.to_string())
}

fn jwks(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Result<String, SimError> {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).map_err(failed)?;
    jwk.common.key_id = Some(kid.to_owned());
    let jwk = serde_json::to_string(&jwk).map_err(failed)?;
    Ok(format!("{{\"keys\":[{jwk}]}}"))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).filter_map(|at| text.get(at..(at + 64).min(text.len()))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The key in its own form, which is the content of a PKCS#8 structure's third element.
fn octets(pkcs8: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OCTETS: u8 = 0x04;
    let (SEQUENCE, inside, _) = element(pkcs8)? else { return None };
    let (_version, _, rest) = element(inside)?;
    let (_algorithm, _, rest) = element(rest)?;
    match element(rest)? {
        (OCTETS, key, _) => Some(key),
        _ => None,
    }
}

/// Tag and content of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
