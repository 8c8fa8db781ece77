//! The signed statement by which a client proves that it holds a registered key.

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Header, encode};
use serde::Serialize;
use url::Url;

use super::oauth::PrivateKeyJwt;
use crate::error::{Error, ErrorKind, Result};

/// Issued a little in the past, for servers whose clock is behind ours.
const SKEW: Duration = Duration::seconds(15);
/// Ends within the five minutes that SMART allows, also for servers whose clock is behind ours.
const LIFE: Duration = Duration::seconds(240);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// A new assertion; no two are alike.
pub(super) fn sign(jwt: &PrivateKeyJwt, client_id: &str, endpoint: &Url, now: DateTime<Utc>) -> Result<String> {
    let mut header = Header::new(jwt.key.algorithm().into());
    header.kid = jwt.kid.clone().or_else(|| jwt.key.kid().map(str::to_owned));
    header.jku = jwt.jku.clone();
    let claims = Claims {
        iss: client_id,
        sub: client_id,
        aud: jwt.audience.as_deref().unwrap_or(endpoint.as_str()),
        iat: (now - SKEW).timestamp(),
        exp: (now + LIFE).timestamp(),
        jti: unique()?,
    };
    encode(&header, &claims, jwt.key.encoding())
        .map_err(|_| Error::new(ErrorKind::Config, "the private key cannot sign").help("check private_key_pem"))
}

fn unique() -> Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Internal, "this machine gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
