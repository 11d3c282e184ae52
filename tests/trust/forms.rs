//! Signatures that real programs made, in every form, and each of them altered.

use std::ops::Range;

use toolcrib::fuzzing::verify_signature;
use toolcrib::trust::{Signers, TrustedIdentity, TrustedKey};

const ARTIFACT: &[u8] = include_bytes!("fixtures/artifact.txt");
const ISSUER: &str = "https://github.com/login/oauth";

/// Form, signature, part of the signer's description.
const SIGNATURES: [(&str, &str, &str); 7] = [
    (
        "minisig",
        include_str!("fixtures/hashed.minisig"),
        "the minisign key 8491125CF9D8D583",
    ),
    (
        "minisig",
        include_str!("fixtures/legacy.minisig"),
        "the minisign key 8491125CF9D8D583",
    ),
    (
        "bundle",
        include_str!("fixtures/key.sigstore.json"),
        "the ECDSA key sha256:c1668d0bbf928507",
    ),
    (
        "bundle",
        include_str!("fixtures/ed25519.sigstore.json"),
        "the Ed25519 key sha256:f6b2ccc24ac027d0",
    ),
    (
        "bundle",
        include_str!("fixtures/provenance.sigstore.json"),
        "the ECDSA key",
    ),
    (
        "bundle",
        include_str!("fixtures/keyless.sigstore.json"),
        ISSUER,
    ),
    (
        "simple-signing",
        include_str!("fixtures/simple-signing.txt"),
        "the ECDSA key",
    ),
];

fn keys(texts: &[&str]) -> Vec<TrustedKey> {
    let keys = texts.iter().map(|text| TrustedKey::parse(text).unwrap());
    keys.collect()
}

fn identity(identity: &str, issuer: &str) -> TrustedIdentity {
    let root = include_str!("fixtures/trusted-root.json");
    TrustedIdentity::new(identity, issuer, root).unwrap()
}

/// Every key and identity of the signatures.
fn everybody() -> Signers {
    Signers {
        keys: keys(&[
            include_str!("fixtures/minisign.pub"),
            include_str!("fixtures/ed25519.pub"),
            include_str!("fixtures/cosign.pub"),
        ]),
        identities: vec![identity("w.vollprecht@*", ISSUER)],
    }
}

#[test]
fn signatures_of_real_programs_are_accepted() {
    for (form, signature, signer) in SIGNATURES {
        let found = verify_signature(&everybody(), form, signature, ARTIFACT).unwrap();
        assert!(found.contains(signer), "{found}");
    }
    // The last line of a key of minisign is enough.
    let line = include_str!("fixtures/minisign.pub")
        .lines()
        .nth(1)
        .unwrap();
    let signers = Signers {
        keys: keys(&[line]),
        ..Signers::default()
    };
    assert!(verify_signature(&signers, SIGNATURES[0].0, SIGNATURES[0].1, ARTIFACT).is_ok());
}

#[test]
fn other_bytes_are_refused() {
    for (form, signature, _) in SIGNATURES {
        for other in [&b"other"[..], b"", &ARTIFACT[1..]] {
            let error = verify_signature(&everybody(), form, signature, other).unwrap_err();
            assert!(error.contains("out of date"), "{form}: {error}");
        }
    }
}

/// Returns the parts of a signature that nobody may change: all but comments, hints and log entries of keys.
fn protected_parts(form: &str, text: &str) -> Vec<Range<usize>> {
    const VALUES: [&str; 6] = [
        "\"signature\":\"",
        "\"sig\":\"",
        "\"payload\":\"",
        "\"digest\":\"",
        "\"rawBytes\":\"",
        "\"canonicalizedBody\":\"",
    ];
    let end = text.trim_end().len();
    match form {
        "minisig" => std::iter::once(text.find('\n').unwrap() + 1..end).collect(),
        "bundle" => VALUES
            .iter()
            .filter_map(|value| {
                let start = text.find(value)? + value.len();
                let value = text[start..].split('"').next().unwrap();
                // The padding of base64 is optional.
                Some(start..start + value.trim_end_matches('=').len())
            })
            .collect(),
        _ => std::iter::once(0..end).collect(),
    }
}

/// Removes and replaces characters of each signature, and cuts it there.
#[test]
fn altered_signatures_are_refused() {
    for (form, signature, _) in SIGNATURES {
        let parts = protected_parts(form, signature);
        assert!(!parts.is_empty());
        // A certificate takes longer to verify than a signature.
        let step = if signature.len() > 1_000 { 61 } else { 5 };
        for position in parts.into_iter().flat_map(|part| part.step_by(step)) {
            let (before, after) = (&signature[..position], &signature[position + 1..]);
            let other = if signature[position..].starts_with('A') {
                'B'
            } else {
                'A'
            };
            for altered in [
                format!("{before}{after}"),
                format!("{before}{other}{after}"),
                before.to_owned(),
            ] {
                let verified = verify_signature(&everybody(), form, &altered, ARTIFACT);
                assert!(verified.is_err(), "{form} at {position}: {altered}");
            }
        }
    }
}

/// Each signer alone accepts its own signatures only, and the refusal says who is expected.
#[test]
fn only_the_trusted_signer_is_accepted() {
    let minisign = Signers {
        keys: keys(&[include_str!("fixtures/minisign.pub")]),
        ..Signers::default()
    };
    let ecdsa = Signers {
        keys: keys(&[include_str!("fixtures/cosign.pub")]),
        ..Signers::default()
    };
    let other_minisign = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let other = Signers {
        keys: keys(&[other_minisign, include_str!("fixtures/ed25519.pub")]),
        ..Signers::default()
    };
    let person = |subject, issuer| Signers {
        identities: vec![identity(subject, issuer)],
        ..Signers::default()
    };
    let email = "w.vollprecht@gmail.com";
    let index = |number: usize| (SIGNATURES[number].0, SIGNATURES[number].1);
    for (signers, (form, text), words) in [
        (
            &minisign,
            index(2),
            &["none is trusted", "the minisign key 84911"][..],
        ),
        (&minisign, index(6), &["not made with an expected key"]),
        (
            &ecdsa,
            index(0),
            &[
                "by the minisign key 8491125CF9D8D583, which is not",
                "ECDSA",
            ],
        ),
        (
            &ecdsa,
            index(3),
            &["not made with an expected key", "ECDSA key sha256:c1668d"],
        ),
        (
            &ecdsa,
            index(5),
            &["a certificate for an identity, and none is trusted"],
        ),
        (
            &other,
            index(0),
            &[
                "by the minisign key 8491125CF9D8D583, which is not",
                "E7620F1842B4E81F",
            ],
        ),
        (&other, index(2), &["not made with an expected key"]),
        (&other, index(6), &["not made with an expected key"]),
        (
            &person("a@example.com", ISSUER),
            index(5),
            &[email, ISSUER, "not trusted", "a@example.com"],
        ),
        (
            &person(email, "https://accounts.google.com"),
            index(5),
            &["not trusted", "google"],
        ),
        (&person("w.vollprecht", ISSUER), index(5), &["not trusted"]),
        (&person(email, ISSUER), index(2), &["none is trusted"]),
    ] {
        let error = verify_signature(signers, form, text, ARTIFACT).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    }
    assert!(verify_signature(&person(email, ISSUER), "bundle", SIGNATURES[5].1, ARTIFACT).is_ok());
}

#[test]
fn documents_that_are_no_signatures_are_refused() {
    let simple = SIGNATURES[6].1;
    let deep = "[".repeat(100_000);
    for (form, text, word) in [
        (
            "bundle",
            include_str!("fixtures/statement.sigstore.json"),
            "not a signature or provenance",
        ),
        (
            "bundle",
            "{\"base64Signature\":\"MEQ=\"}",
            "--new-bundle-format",
        ),
        ("bundle", "{}", "cannot be understood"),
        ("bundle", "rubbish", "cannot be understood"),
        ("bundle", &deep, "levels deep"),
        ("bundle", "", "cannot be understood"),
        ("minisig", "", "minisign -S"),
        (
            "minisig",
            "untrusted comment: x\nAAAA\ntrusted comment: x\nAAAA\n",
            "minisign -S",
        ),
        (
            "simple-signing",
            &simple.replace("team/tool", "team/other"),
            "for the repository `registry.example/team/other`",
        ),
        (
            "simple-signing",
            &simple.replace("sha256:6c", "sha256:7c"),
            "of the digest sha256:7c",
        ),
        (
            "simple-signing",
            &simple.replace("cosign container", "other"),
            "not a signature of cosign",
        ),
        (
            "simple-signing",
            &simple.replace("\"optional\":null", "\"optional\":1"),
            "or was altered",
        ),
        ("simple-signing", &simple.replacen("MEYC", "*", 1), "base64"),
        (
            "simple-signing",
            &simple.replace("docker-reference", "x"),
            "names no repository",
        ),
        ("simple-signing", &deep, "cannot be understood"),
    ] {
        let error = verify_signature(&everybody(), form, text, ARTIFACT).unwrap_err();
        assert!(error.contains(word), "{error:?} lacks {word:?}");
        assert!(error.len() < 1_000, "{error}");
    }
}

#[test]
fn texts_that_are_no_public_keys_are_refused() {
    let rsa = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALqbHeRLCyOdykC5SDLqI49ArYGYG1mq\naH9/GnWjGavZM02fos4lc2w6tCchcUBNtJvGqKwhC5JEnx3RYoSX2ucCAwEAAQ==\n-----END PUBLIC KEY-----\n";
    for (text, word) in [
        ("", "not a public key"),
        ("cosign.pub", "{ file = \"cosign.pub\" }"),
        ("-----BEGIN PUBLIC KEY-----", "not a public key"),
        (rsa, "neither ECDSA on P-256 nor Ed25519"),
        (
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nMTIz\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
            "private key",
        ),
        (
            "untrusted comment: minisign encrypted secret key\nRWRTY0Iy",
            "private key",
        ),
        (
            "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO",
            "not a public key",
        ),
    ] {
        let error = TrustedKey::parse(text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}
