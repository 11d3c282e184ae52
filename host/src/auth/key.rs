//! One verification key, parsed from a PEM block or a JWK (RFC 7517) and validated before use.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk as LibraryJwk};
use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;
use super::config::Secret;

/// The smallest accepted RSA modulus.
const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus that the verifier supports.
const MAX_RSA_BITS: usize = 8192;

/// Identifies a key: a hash of its `kid`, algorithms and key material.
pub(super) type KeyId = [u8; 32];

/// A verification key and the algorithms it may be used with.
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) kid: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    material: DecodingKey,
}

/// The reason a key cannot verify access tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnusableKey {
    #[error("a key is no JWK")]
    NotJwk,
    #[error("a key's type is not RSA, EC or OKP")]
    Type,
    #[error("a key's curve is not P-256, P-384 or Ed25519")]
    Curve,
    #[error("a key is symmetric")]
    Symmetric,
    #[error("a key is a private one")]
    Private,
    #[error("a key's `use` is not sig")]
    Use,
    #[error("a key's `key_ops` lack verify")]
    Operations,
    #[error("a key's `alg` is not accepted for its type")]
    Algorithm,
    #[error("a key's numbers are malformed")]
    Malformed,
    #[error("an RSA key has {0} bits, which is not 2048 to 8192")]
    RsaBits(usize),
}

impl Key {
    /// Wraps a shared secret. The issuer's validation has checked its length.
    pub(super) fn from_secret(secret: &Secret, algorithms: &[Algorithm]) -> Key {
        Key {
            id: key_id(None, algorithms, &[secret.bytes()]),
            kid: None,
            algorithms: algorithms.to_vec(),
            material: DecodingKey::from_secret(secret.bytes()),
        }
    }

    /// Returns whether `signature` is a valid signature of `message` by this key with this algorithm.
    pub(super) fn verifies(&self, message: &str, signature: &str, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
            && jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                &self.material,
                algorithm.to_jsonwebtoken(),
            )
            .unwrap_or(false)
    }
}

/// The JWK members in use. Members that refer to other documents, such as `x5u`, are not parsed.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

/// Parses and validates a JWK.
pub(super) fn from_jwk(jwk: Value) -> Result<Key, UnusableKey> {
    let jwk: Jwk = serde_json::from_value(jwk).map_err(|_| UnusableKey::NotJwk)?;
    if jwk.d.is_some() {
        return Err(UnusableKey::Private);
    }
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Err(UnusableKey::Use);
    }
    if jwk
        .key_ops
        .as_ref()
        .is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Err(UnusableKey::Operations);
    }
    let (mut algorithms, parts, material) = match jwk.kty.as_str() {
        "RSA" => {
            let (n, e) = (decode_number(&jwk.n)?, decode_number(&jwk.e)?);
            check_rsa(&n, &e)?;
            let material = DecodingKey::from_rsa_raw_components(&n, &e);
            (Algorithm::RSA.to_vec(), vec![n, e], material)
        }
        "EC" => {
            let (x, y) = (decode_bytes(&jwk.x)?, decode_bytes(&jwk.y)?);
            let algorithm = match jwk.crv.as_deref() {
                Some("P-256") => Algorithm::Es256,
                Some("P-384") => Algorithm::Es384,
                _ => return Err(UnusableKey::Curve),
            };
            let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
            (
                vec![algorithm],
                vec![point.clone()],
                ec_key(&point, algorithm)?,
            )
        }
        "OKP" => {
            let x = decode_bytes(&jwk.x)?;
            if jwk.crv.as_deref() != Some("Ed25519") {
                return Err(UnusableKey::Curve);
            }
            (vec![Algorithm::EdDsa], vec![x.clone()], ed_key(&x)?)
        }
        "oct" => return Err(UnusableKey::Symmetric),
        _ => return Err(UnusableKey::Type),
    };
    if let Some(alg) = &jwk.alg {
        algorithms.retain(|algorithm| alg.parse() == Ok(*algorithm));
        if algorithms.is_empty() {
            return Err(UnusableKey::Algorithm);
        }
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(Key {
        id: key_id(jwk.kid.as_deref(), &algorithms, &parts),
        kid: jwk.kid,
        algorithms,
        material,
    })
}

/// Parses and validates a PEM block with a public key.
pub(super) fn from_pem_block(pem: &str) -> Result<Key, UnusableKey> {
    let pem = pem.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        let (n, e) = rsa_components(&key)?;
        check_rsa(&n, &e)?;
        return Ok(Key {
            id: key_id(None, &Algorithm::RSA, &[&n, &e]),
            kid: None,
            algorithms: Algorithm::RSA.to_vec(),
            material: DecodingKey::from_rsa_raw_components(&n, &e),
        });
    }
    let (algorithm, material) = if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        let point = key.try_get_as_bytes().map_err(|_| UnusableKey::Malformed)?;
        // The length of the point determines the curve; `ec_key` then checks that the point is on it.
        let algorithm = match point.len() {
            65 => Algorithm::Es256,
            97 => Algorithm::Es384,
            _ => return Err(UnusableKey::Curve),
        };
        (algorithm, ec_key(point, algorithm)?)
    } else if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        let x = key.try_get_as_bytes().map_err(|_| UnusableKey::Malformed)?;
        (Algorithm::EdDsa, ed_key(x)?)
    } else {
        return Err(UnusableKey::Type);
    };
    let id = key_id(
        None,
        &[algorithm],
        &[material.try_get_as_bytes().unwrap_or_default()],
    );
    Ok(Key {
        id,
        kid: None,
        algorithms: vec![algorithm],
        material,
    })
}

/// Returns modulus and exponent of an RSA key.
fn rsa_components(key: &DecodingKey) -> Result<(Vec<u8>, Vec<u8>), UnusableKey> {
    let jwk = LibraryJwk::from_decoding_key(key, None).map_err(|_| UnusableKey::Malformed)?;
    match (key.family(), jwk.algorithm) {
        (AlgorithmFamily::Rsa, AlgorithmParameters::RSA(numbers)) => Ok((
            decode_number(&Some(numbers.n))?,
            decode_number(&Some(numbers.e))?,
        )),
        _ => Err(UnusableKey::Malformed),
    }
}

/// Validates an RSA key. The size is checked here because verifiers may still accept 1024 bits for legacy signatures.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), UnusableKey> {
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(UnusableKey::RsaBits(bits));
    }
    // With an exponent of 1 every signature is valid; modulus and exponent of RSA are odd.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) || !is_odd(e) || e == [1] {
        return Err(UnusableKey::Malformed);
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map(|_| ())
        .map_err(|_| UnusableKey::Malformed)
}

/// Validates an uncompressed point and builds the key.
fn ec_key(point: &[u8], algorithm: Algorithm) -> Result<DecodingKey, UnusableKey> {
    let (curve, length): (&'static dyn VerificationAlgorithm, usize) = match algorithm {
        Algorithm::Es256 => (&ECDSA_P256_SHA256_FIXED, 65),
        Algorithm::Es384 => (&ECDSA_P384_SHA384_FIXED, 97),
        _ => return Err(UnusableKey::Curve),
    };
    if point.len() != length || ParsedPublicKey::new(curve, point).is_err() {
        return Err(UnusableKey::Malformed);
    }
    Ok(DecodingKey::from_ec_der(point))
}

/// Validates an Ed25519 public key and builds the key.
fn ed_key(x: &[u8]) -> Result<DecodingKey, UnusableKey> {
    if x.len() != 32 || ParsedPublicKey::new(&ED25519, x).is_err() {
        return Err(UnusableKey::Malformed);
    }
    Ok(DecodingKey::from_ed_der(x))
}

/// Decodes a required base64url member.
fn decode_bytes(member: &Option<String>) -> Result<Vec<u8>, UnusableKey> {
    let text = member.as_deref().ok_or(UnusableKey::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| UnusableKey::Malformed)
}

/// Decodes a big-endian number and strips its leading zeros.
fn decode_number(member: &Option<String>) -> Result<Vec<u8>, UnusableKey> {
    let bytes = decode_bytes(member)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

/// Hashes length-prefixed parts, so that different keys have different inputs.
fn key_id(kid: Option<&str>, algorithms: &[Algorithm], parts: &[&[u8]]) -> KeyId {
    let mut hash = Sha256::new();
    let names = algorithms
        .iter()
        .map(|algorithm| algorithm.name().as_bytes());
    for part in kid
        .map(str::as_bytes)
        .into_iter()
        .chain(names)
        .chain(parts.iter().copied())
    {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
