//! One public key: from a PEM block or a JWK (RFC 7517), checked before it is ever used.

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
use super::settings::Secret;

const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;

/// Tells keys apart: a hash over the key's identifier, algorithms and material.
pub(super) type KeyId = [u8; 32];

/// A key that can verify, and the algorithms it may verify with.
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) kid: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    material: DecodingKey,
}

/// Why a key cannot verify access tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
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
    /// A shared secret. Its length was checked with the algorithms.
    pub(super) fn from_secret(secret: &Secret, algorithms: &[Algorithm]) -> Key {
        Key {
            id: key_id(None, algorithms, &[secret.bytes()]),
            kid: None,
            algorithms: algorithms.to_vec(),
            material: DecodingKey::from_secret(secret.bytes()),
        }
    }

    /// Whether this key made the signature with this algorithm.
    pub(super) fn verifies(&self, message: &str, signature: &str, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
            && jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                &self.material,
                algorithm.library(),
            )
            .unwrap_or(false)
    }
}

/// The members of a JWK that matter here. `x5u` and the like are not even read.
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

/// Reads a JWK.
pub(super) fn from_jwk(jwk: Value) -> Result<Key, Unusable> {
    let jwk: Jwk = serde_json::from_value(jwk).map_err(|_| Unusable::NotJwk)?;
    if jwk.d.is_some() {
        return Err(Unusable::Private);
    }
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Err(Unusable::Use);
    }
    if jwk
        .key_ops
        .as_ref()
        .is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Err(Unusable::Operations);
    }
    let (mut algorithms, parts, material) = match jwk.kty.as_str() {
        "RSA" => {
            let (n, e) = (number(&jwk.n)?, number(&jwk.e)?);
            check_rsa(&n, &e)?;
            let material = DecodingKey::from_rsa_raw_components(&n, &e);
            (Algorithm::RSA.to_vec(), vec![n, e], material)
        }
        "EC" => {
            let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
            let algorithm = match jwk.crv.as_deref() {
                Some("P-256") => Algorithm::Es256,
                Some("P-384") => Algorithm::Es384,
                _ => return Err(Unusable::Curve),
            };
            let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
            (
                vec![algorithm],
                vec![point.clone()],
                ec_key(&point, algorithm)?,
            )
        }
        "OKP" => {
            let x = bytes(&jwk.x)?;
            if jwk.crv.as_deref() != Some("Ed25519") {
                return Err(Unusable::Curve);
            }
            (vec![Algorithm::EdDsa], vec![x.clone()], ed_key(&x)?)
        }
        "oct" => return Err(Unusable::Symmetric),
        _ => return Err(Unusable::Type),
    };
    if let Some(named) = &jwk.alg {
        algorithms.retain(|algorithm| named.parse() == Ok(*algorithm));
        if algorithms.is_empty() {
            return Err(Unusable::Algorithm);
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

/// Reads a PEM block with a public key.
pub(super) fn from_pem_block(pem: &str) -> Result<Key, Unusable> {
    let pem = pem.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        let (n, e) = rsa_numbers(&key)?;
        check_rsa(&n, &e)?;
        return Ok(Key {
            id: key_id(None, &Algorithm::RSA, &[&n, &e]),
            kid: None,
            algorithms: Algorithm::RSA.to_vec(),
            material: DecodingKey::from_rsa_raw_components(&n, &e),
        });
    }
    let (algorithm, material) = if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        let point = key.try_get_as_bytes().map_err(|_| Unusable::Malformed)?;
        // The curve is told by the point's length, and the point is then proved to lie on it.
        let algorithm = match point.len() {
            65 => Algorithm::Es256,
            97 => Algorithm::Es384,
            _ => return Err(Unusable::Curve),
        };
        (algorithm, ec_key(point, algorithm)?)
    } else if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        let x = key.try_get_as_bytes().map_err(|_| Unusable::Malformed)?;
        (Algorithm::EdDsa, ed_key(x)?)
    } else {
        return Err(Unusable::Type);
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

fn rsa_numbers(key: &DecodingKey) -> Result<(Vec<u8>, Vec<u8>), Unusable> {
    let jwk = LibraryJwk::from_decoding_key(key, None).map_err(|_| Unusable::Malformed)?;
    match (key.family(), jwk.algorithm) {
        (AlgorithmFamily::Rsa, AlgorithmParameters::RSA(numbers)) => {
            Ok((number(&Some(numbers.n))?, number(&Some(numbers.e))?))
        }
        _ => Err(Unusable::Malformed),
    }
}

/// The size is judged here: a library's verifier may take 1024 bits for the sake of old signatures.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), Unusable> {
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(Unusable::RsaBits(bits));
    }
    // An exponent of 1 would take every signature, and an even number is none of RSA's.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) || !is_odd(e) || e == [1] {
        return Err(Unusable::Malformed);
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map(|_| ())
        .map_err(|_| Unusable::Malformed)
}

fn ec_key(point: &[u8], algorithm: Algorithm) -> Result<DecodingKey, Unusable> {
    let (curve, length): (&'static dyn VerificationAlgorithm, usize) = match algorithm {
        Algorithm::Es256 => (&ECDSA_P256_SHA256_FIXED, 65),
        Algorithm::Es384 => (&ECDSA_P384_SHA384_FIXED, 97),
        _ => return Err(Unusable::Curve),
    };
    if point.len() != length || ParsedPublicKey::new(curve, point).is_err() {
        return Err(Unusable::Malformed);
    }
    Ok(DecodingKey::from_ec_der(point))
}

fn ed_key(x: &[u8]) -> Result<DecodingKey, Unusable> {
    if x.len() != 32 || ParsedPublicKey::new(&ED25519, x).is_err() {
        return Err(Unusable::Malformed);
    }
    Ok(DecodingKey::from_ed_der(x))
}

fn bytes(member: &Option<String>) -> Result<Vec<u8>, Unusable> {
    let text = member.as_deref().ok_or(Unusable::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Unusable::Malformed)
}

/// A big-endian number without its leading zeros.
fn number(member: &Option<String>) -> Result<Vec<u8>, Unusable> {
    let bytes = bytes(member)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

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
