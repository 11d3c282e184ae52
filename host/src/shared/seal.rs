//! Protects what is kept in Redis: names become digests, and values are encrypted and bound to the name of their key.
//!
//! The keys are derived from `server.state-key`, so only hosts with the same one can read and write.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

/// The keys for names and values. Cheap to clone.
#[derive(Clone)]
pub(super) struct Seal(Arc<Keys>);

struct Keys {
    names: hmac::Key,
    /// `None` never occurs: the key has the length that the algorithm needs.
    values: Option<RandomizedNonceKey>,
}

impl Seal {
    /// Derives the keys. Each has a label of its own, so that neither is that of the request states.
    pub(super) fn new(key: &[u8]) -> Self {
        let derive = |label: &str| hmac::sign(&hmac::Key::new(HMAC_SHA256, key), label.as_bytes());
        Self(Arc::new(Keys {
            names: hmac::Key::new(HMAC_SHA256, derive("toolcrib shared names 1").as_ref()),
            values: RandomizedNonceKey::new(
                &AES_256_GCM,
                derive("toolcrib shared values 1").as_ref(),
            )
            .ok(),
        }))
    }

    /// Returns the digest of the parts of a name in hexadecimal. Without the key it tells neither the caller nor the task.
    pub(super) fn name(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0.names);
        for part in parts {
            // The length keeps different lists of parts apart.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = context.sign();
        let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// Encrypts a value of this name; `None` if there are no random numbers.
    pub(super) fn seal(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        let mut text = value.to_vec();
        let key = self.0.values.as_ref()?;
        let nonce = key
            .seal_in_place_append_tag(Aad::from(name), &mut text)
            .ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Some(sealed)
    }

    /// Decrypts a value of this name; `None` if it was not sealed with the same key for the same name.
    pub(super) fn open(&self, name: &str, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.0.values.as_ref()?;
        let opened = key.open_in_place(nonce, Aad::from(name), text).ok()?;
        Some(opened.to_vec())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn values_open_unchanged_under_their_name_and_key_only() {
        let seal = Seal::new(b"0123456789abcdef0123456789abcdef");
        let sealed = seal.seal("a", b"result").unwrap();
        assert_eq!(seal.open("a", sealed.clone()).unwrap(), b"result");
        assert_ne!(seal.seal("a", b"result").unwrap(), sealed, "a fresh nonce");
        assert!(seal.open("b", sealed.clone()).is_none(), "another name");
        let other = Seal::new(b"0123456789abcdef0123456789abcdeX");
        assert!(other.open("a", sealed.clone()).is_none(), "another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal.open("a", changed).is_none(), "changed at {at}");
            assert!(
                seal.open("a", sealed[..at].to_vec()).is_none(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn names_are_unambiguous_and_depend_on_the_key() {
        let seal = Seal::new(b"key");
        assert_ne!(seal.name(&["ab", "c"]), seal.name(&["a", "bc"]));
        assert_ne!(seal.name(&["a"]), Seal::new(b"other").name(&["a"]));
        assert_eq!(seal.name(&["a"]), seal.name(&["a"]));
    }
}
