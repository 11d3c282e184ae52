//! Keys that sign components as minisign and cosign do.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

/// A key pair of minisign.
pub(crate) struct Minisign {
    key: Ed25519KeyPair,
    id: [u8; 8],
}

impl Minisign {
    /// Creates a key pair; `id` is the first byte of its identifier.
    pub(crate) fn new(id: u8) -> Self {
        Self {
            key: Ed25519KeyPair::generate().unwrap(),
            id: [id, 1, 2, 3, 4, 5, 6, 7],
        }
    }

    /// Returns the identifier as minisign shows it.
    pub(crate) fn id(&self) -> String {
        format!("{:016X}", u64::from_le_bytes(self.id))
    }

    /// Returns the content of the public key file.
    pub(crate) fn public_key(&self) -> String {
        let key = [b"Ed", &self.id[..], self.key.public_key().as_ref()].concat();
        let comment = format!("untrusted comment: minisign public key {}", self.id());
        format!("{comment}\n{}\n", STANDARD.encode(key))
    }

    /// Returns the content of a signature file in the older form, which signs the bytes themselves.
    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        let comment = "timestamp:0\tfile:x.wasm";
        let signature = self.key.sign(bytes);
        let line = [b"Ed", &self.id[..], signature.as_ref()].concat();
        let signed = [signature.as_ref(), comment.as_bytes()].concat();
        format!(
            "untrusted comment: signature\n{}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode(line),
            STANDARD.encode(self.key.sign(&signed))
        )
    }
}

/// A key pair of cosign: ECDSA on P-256.
pub(crate) struct Cosign {
    key: EcdsaKeyPair,
    public_key: String,
}

impl Cosign {
    pub(crate) fn new() -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let der = pair.serialize_der();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).unwrap(),
            public_key: pair.public_key_pem(),
        }
    }

    /// Returns the public key in PEM.
    pub(crate) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Returns the signature of these bytes in base64.
    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        let signature = self.key.sign(&SystemRandom::new(), bytes).unwrap();
        STANDARD.encode(signature)
    }

    /// Returns a Sigstore bundle with a signature of these bytes.
    pub(crate) fn bundle(&self, bytes: &[u8]) -> String {
        let digest = STANDARD.encode(Sha256::digest(bytes));
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "" } },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": digest },
                "signature": self.sign(bytes),
            },
        })
        .to_string()
    }

    /// Returns a Sigstore bundle with a signed statement (in-toto) about the SHA-256 digest `hex`.
    pub(crate) fn statement(&self, kind: &str, hex: &str) -> String {
        const TYPE: &str = "application/vnd.in-toto+json";
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": hex } }],
            "predicateType": kind,
            "predicate": {},
        })
        .to_string();
        // Pre-authentication encoding of DSSE.
        let encoded = format!(
            "DSSEv1 {} {TYPE} {} {statement}",
            TYPE.len(),
            statement.len()
        );
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "" } },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&statement),
                "payloadType": TYPE,
                "signatures": [{ "sig": self.sign(encoded.as_bytes()), "keyid": "" }],
            },
        })
        .to_string()
    }
}
