//! Private keys in the shapes that people paste them.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    RsaKeyPair,
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::Deserialize;

use crate::{
    error::{Error, ErrorKind, Result},
    secret::Secret,
};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The signature algorithms of SMART backend services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSA with SHA-384.
    Rs384,
    /// ECDSA on curve P-384 with SHA-384.
    Es384,
}

impl KeyAlgorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rs384 => "RS384",
            Self::Es384 => "ES384",
        }
    }
}

impl From<KeyAlgorithm> for Algorithm {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Rs384 => Self::RS384,
            KeyAlgorithm::Es384 => Self::ES384,
        }
    }
}

/// A private key that signs assertions. `Debug` shows its algorithm only.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    algorithm: KeyAlgorithm,
    kid: Option<String>,
}

impl SigningKey {
    /// Reads a key: PEM as PKCS#8, PKCS#1 or SEC1, also with `\n` written out, on one line or without its first and last
    /// line; or a JWK.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for text that is none of these, an encrypted key, a curve other than P-384, or a
    /// key that does not fit `wanted`.
    pub fn parse(text: &Secret, wanted: Option<KeyAlgorithm>) -> Result<Self> {
        let text = text.expose().trim().trim_matches(['"', '\'']).trim();
        let key = if text.starts_with('{') { from_jwk(text)? } else { from_der(&der_of(text)?, None)? };
        match wanted {
            Some(wanted) if wanted != key.algorithm => Err(bad("the private key does not fit the algorithm")
                .with("algorithm", wanted.name())
                .with("key_is_for", key.algorithm.name())),
            _ => Ok(key),
        }
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The id that a JWK brings along.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn encoding(&self) -> &EncodingKey {
        &self.key
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm.name())
    }
}

fn bad(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

fn unreadable() -> Error {
    bad("the private key cannot be read").help("give an unencrypted PEM (PKCS#8, PKCS#1 or SEC1) or a JWK")
}

/// The bytes of the first private key in PEM text.
fn der_of(text: &str) -> Result<Vec<u8>> {
    let text = text.replace("\\r", "").replace("\\\\n", "\n").replace("\\n", "\n");
    if !text.contains("-----BEGIN") {
        return decoded(&text);
    }
    for block in text.split("-----BEGIN ").skip(1) {
        let Some((label, rest)) = block.split_once("-----") else { continue };
        let Some((body, _)) = rest.split_once("-----END") else { continue };
        if !label.ends_with("PRIVATE KEY") {
            continue;
        }
        if label.starts_with("ENCRYPTED") || body.contains("ENCRYPTED") {
            return Err(bad("the private key is encrypted").help("give it without a passphrase: openssl pkey -in KEY"));
        }
        return decoded(body);
    }
    Err(unreadable())
}

fn decoded(body: &str) -> Result<Vec<u8>> {
    let compact: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    BASE64.decode(compact).map_err(|_| unreadable())
}

/// A key of any of the three encodings: they are told apart by their content, whatever the label says.
fn from_der(der: &[u8], kid: Option<String>) -> Result<SigningKey> {
    if let Ok(pair) = EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der) {
        return from_ec(&pair, kid);
    }
    let other_curves = [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED_SIGNING];
    if other_curves.iter().any(|curve| EcdsaKeyPair::from_private_key_der(curve, der).is_ok()) {
        return Err(bad("the private key is not on curve P-384, which ES384 needs"));
    }
    let key = if RsaKeyPair::from_pkcs8(der).is_ok() {
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der));
        EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| unreadable())?
    } else if RsaKeyPair::from_der(der).is_ok() {
        EncodingKey::from_rsa_der(der)
    } else {
        return Err(unreadable());
    };
    Ok(SigningKey { key, algorithm: KeyAlgorithm::Rs384, kid })
}

fn from_ec(pair: &EcdsaKeyPair, kid: Option<String>) -> Result<SigningKey> {
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| unreadable())?;
    Ok(SigningKey { key: EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm: KeyAlgorithm::Es384, kid })
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Secret>,
    n: Option<String>,
    e: Option<String>,
    p: Option<Secret>,
    q: Option<Secret>,
    dp: Option<Secret>,
    dq: Option<Secret>,
    qi: Option<Secret>,
}

fn from_jwk(text: &str) -> Result<SigningKey> {
    let jwk: Jwk = serde_json::from_str(text).map_err(|_| unreadable())?;
    let bytes = |text: Option<&str>| text.and_then(|t| BASE64_URL.decode(t).ok());
    let secret = |text: &Option<Secret>| bytes(text.as_ref().map(Secret::expose));
    let d = secret(&jwk.d)
        .ok_or_else(|| bad("the JWK holds no private key").help("give the private key, with its member 'd'"))?;
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-384")) => {
            let (x, y) = bytes(jwk.x.as_deref()).zip(bytes(jwk.y.as_deref())).ok_or_else(unreadable)?;
            let point = [&[4], padded(&x).as_slice(), padded(&y).as_slice()].concat();
            let pair =
                EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P384_SHA384_FIXED_SIGNING, &padded(&d), &point)
                    .map_err(|_| unreadable())?;
            from_ec(&pair, jwk.kid)
        }
        ("EC", _) => Err(bad("the private key is not on curve P-384, which ES384 needs")),
        ("RSA", _) => {
            let parts = [
                bytes(jwk.n.as_deref()),
                bytes(jwk.e.as_deref()),
                Some(d),
                secret(&jwk.p),
                secret(&jwk.q),
                secret(&jwk.dp),
                secret(&jwk.dq),
                secret(&jwk.qi),
            ];
            let parts: Option<Vec<Vec<u8>>> = parts.into_iter().collect();
            let parts = parts.ok_or_else(|| bad("the RSA JWK must hold n, e, d, p, q, dp, dq and qi"))?;
            from_der(&pkcs1(&parts), jwk.kid)
        }
        _ => Err(bad("the JWK is neither an RSA nor an EC key")),
    }
}

/// A number of P-384 in its full 48 bytes.
fn padded(number: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 48_usize.saturating_sub(number.len())];
    bytes.extend_from_slice(number);
    bytes
}

/// An RSA private key as PKCS#1: a DER sequence of the version, zero, and the numbers.
fn pkcs1(numbers: &[Vec<u8>]) -> Vec<u8> {
    let mut content = der(2, &[0]);
    for number in numbers {
        let first = number.iter().position(|b| *b != 0).unwrap_or(number.len());
        // A leading zero keeps the number positive.
        content.extend(der(
            2,
            &[&[0][..usize::from(number.get(first).is_none_or(|b| *b >= 0x80))], &number[first..]].concat(),
        ));
    }
    der(0x30, &content)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let short = &length[length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | short.len() as u8);
    }
    out.extend_from_slice(short);
    out.extend_from_slice(content);
    out
}
