//! The form of a signature on the first line, then the signature.

use std::sync::LazyLock;

use toolcrib::fuzzing;
use toolcrib::trust::{Signers, TrustedIdentity, TrustedKey};

/// The component that the corpus signs.
const COMPONENT: &[u8] = include_bytes!("../../tests/trust/fixtures/artifact.txt");

static SIGNERS: LazyLock<Signers> = LazyLock::new(|| {
    let keys = [
        include_str!("../../tests/trust/fixtures/cosign.pub"),
        include_str!("../../tests/trust/fixtures/ed25519.pub"),
        include_str!("../../tests/trust/fixtures/minisign.pub"),
    ];
    let root = include_str!("../../tests/trust/fixtures/trusted-root.json");
    let identity = TrustedIdentity::new("w*", "https://github.com/login/oauth", root);
    Signers {
        keys: keys
            .map(|key| TrustedKey::parse(key).expect("a key"))
            .into(),
        identities: vec![identity.expect("a trusted root")],
    }
});

/// Verifies the signature of the signed component and of other bytes. The latter must be refused.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (form, signature) = text.split_once('\n').unwrap_or((text, ""));
    if let Err(message) = fuzzing::verify_signature(&SIGNERS, form, signature, COMPONENT) {
        super::assert_is_sentence(&message);
    }
    for other in [&COMPONENT[1..], b"", b"\0asm"] {
        let verified = fuzzing::verify_signature(&SIGNERS, form, signature, other);
        assert!(verified.is_err(), "accepted for other bytes: {verified:?}");
    }
}
