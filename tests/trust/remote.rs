//! Signatures of components on web servers and in registries.

use serde_json::{Value, json};

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::signer::{Cosign, Minisign};
use crate::support::web::{Reply, Web, digest};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// A server, a user who trusts two keys, and a component.
struct Fixture {
    web: Web,
    toolcrib: Toolcrib,
    minisign: Minisign,
    cosign: Cosign,
    component: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let (minisign, cosign) = (Minisign::new(1), Cosign::new());
        let toolcrib = Toolcrib::new();
        toolcrib
            .file("minisign.pub", minisign.public_key())
            .file("cosign.pub", cosign.public_key())
            .file(
                "c.toml",
                "[trust]\nrequire-signatures = true\n\
                 keys = [{ file = \"minisign.pub\" }, { file = \"cosign.pub\" }]\n",
            );
        Self {
            web: Web::start(),
            toolcrib,
            minisign,
            cosign,
            component: Guest::saying("greet", "hello").component(),
        }
    }

    fn call(&self, reference: &str) -> CommandOutput {
        let arguments = ["call", "--config", "c.toml", reference, "greet"];
        self.toolcrib.run(&arguments)
    }

    fn assert_refused(&self, reference: &str, words: &[&str]) {
        let output = self.call(reference);
        assert_eq!(output.status, 1, "{words:?}: {output:?}");
        let errors = output
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors.len(), 1, "{output:?}");
        for word in words.iter().chain(&[reference]) {
            assert!(errors[0].contains(word), "{word:?}: {errors:?}");
        }
    }

    /// Puts a blob on the server and returns its descriptor.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let path = format!("/v2/team/tool/blobs/{digest}");
        self.web.reply(path, Reply::new(bytes));
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Puts a manifest of signatures on the server and returns its digest.
    fn signatures(&self, tag: &str, layers: &[Value]) -> String {
        let config = self.blob("application/vnd.oci.empty.v1+json", b"{}");
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        self.web.push_manifest(tag, manifest.to_string())
    }

    /// Returns the layer of a signature of the form "simple signing".
    fn simple_signing(&self, manifest: &str, repository: &str) -> Value {
        let payload = json!({ "critical": {
            "type": "cosign container image signature",
            "image": { "docker-manifest-digest": manifest },
            "identity": { "docker-reference": repository },
        }})
        .to_string();
        let mut layer = self.blob(SIMPLE_SIGNING, payload.as_bytes());
        let signature = self.cosign.sign(payload.as_bytes());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        layer
    }

    /// Makes these manifests the referrers of a manifest.
    fn referrers(&self, manifest: &str, referrers: &[(&str, &str)]) {
        let manifests: Vec<_> = referrers
            .iter()
            .map(|(digest, kind)| {
                let media_type = "application/vnd.oci.image.manifest.v1+json";
                json!({ "mediaType": media_type, "digest": digest, "size": 1, "artifactType": kind })
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        let reply =
            Reply::new(index).header("content-type", "application/vnd.oci.image.index.v1+json");
        let path = format!("/v2/team/tool/referrers/{manifest}");
        self.web.reply(path, reply);
    }
}

fn sig_tag(manifest: &str) -> String {
    format!("{}.sig", manifest.replace(':', "-"))
}

#[test]
fn files_on_web_servers_have_their_signatures_beside_them() {
    let fixture = Fixture::new();
    let reference = fixture.web.url("/x.wasm");
    fixture
        .web
        .reply("/x.wasm", Reply::new(&*fixture.component));
    let (minisig, bundle) = ("/x.wasm.minisig", "/x.wasm.sigstore.json");
    fixture.assert_refused(
        &reference,
        &[
            "not signed",
            &format!("`{reference}.minisig` or `{reference}.sigstore.json`"),
        ],
    );
    let stranger = Minisign::new(2).sign(&fixture.component);
    for (reply, words) in [
        (
            Reply::new(stranger),
            &["which is not trusted", "x.wasm.minisig"][..],
        ),
        (Reply::new("<html>"), &["cannot be understood"]),
        (Reply::new(vec![0xff; 10]), &["not text"]),
        (
            Reply::new("x".repeat(300 << 10)),
            &["more than the 262144 bytes"],
        ),
        (Reply::status(500), &["answered 500"]),
    ] {
        fixture.web.reply(minisig, reply);
        fixture.assert_refused(&reference, words);
    }
    fixture.web.reply(minisig, Reply::status(404));
    for (path, signature) in [
        (minisig, fixture.minisign.sign(&fixture.component)),
        (bundle, fixture.cosign.bundle(&fixture.component)),
    ] {
        let fresh = Fixture::new();
        fresh
            .toolcrib
            .file("minisign.pub", fixture.minisign.public_key())
            .file("cosign.pub", fixture.cosign.public_key())
            .file(
                "c.toml",
                std::fs::read(fixture.toolcrib.path().join("c.toml")).unwrap(),
            );
        fixture.web.reply(path, Reply::new(signature));
        // A required signature takes the place of a pinned digest.
        let output = fresh.call(&reference);
        assert_eq!(output.stdout, "hello\n", "{path}: {output:?}");
        // The signature is kept with the component.
        fixture.web.reply(path, Reply::status(404));
        let output = fresh.call(&reference);
        assert_eq!(output.stdout, "hello\n", "{path}: {output:?}");
        let offline = [
            "call",
            "--offline",
            "--config",
            "c.toml",
            &reference,
            "greet",
        ];
        assert_eq!(fresh.toolcrib.run(&offline).stdout, "hello\n", "{path}");
    }
}

#[test]
fn artefacts_have_their_signatures_under_a_tag_or_as_referrers() {
    for form in ["tag", "referrer", "bundle", "statement"] {
        let fixture = Fixture::new();
        let (manifest, _) = fixture.web.push("1", &fixture.component);
        let reference = fixture.web.oci(":1");
        let repository = format!("{}/team/tool", fixture.web.address);
        let tag = sig_tag(&manifest);
        fixture.assert_refused(&reference, &["not signed", &tag, "(its referrers)"]);
        let bytes = fixture
            .web
            .prepared(&format!("/v2/team/tool/manifests/{manifest}"))
            .body;
        let hex = manifest.trim_start_matches("sha256:");
        let sign = |bundle: String| {
            let layer = fixture.blob(BUNDLE, bundle.as_bytes());
            let digest = fixture.signatures("unused", &[layer]);
            // A bill of materials is not looked at.
            fixture.referrers(
                &manifest,
                &[(&digest, BUNDLE), (&digest, "application/spdx+json")],
            );
        };
        match form {
            "tag" => {
                let layer = fixture.simple_signing(&manifest, &repository);
                fixture.signatures(&tag, &[layer]);
            }
            "referrer" => {
                let layer = fixture.simple_signing(&manifest, &repository);
                let digest = fixture.signatures("unused", &[layer]);
                let kind = "application/vnd.dev.cosign.artifact.sig.v1+json";
                fixture.referrers(&manifest, &[(&digest, kind)]);
            }
            "bundle" => sign(fixture.cosign.bundle(&bytes)),
            _ => sign(
                fixture
                    .cosign
                    .statement("https://sigstore.dev/cosign/sign/v1", hex),
            ),
        }
        let output = fixture.call(&reference);
        assert_eq!(output.stdout, "hello\n", "{form}: {output:?}");
    }
}

#[test]
fn signatures_of_artefacts_that_do_not_fit_are_refused() {
    let fixture = Fixture::new();
    let (manifest, _) = fixture.web.push("1", &fixture.component);
    let reference = fixture.web.oci(":1");
    let repository = format!("{}/team/tool", fixture.web.address);
    let zeros = format!("sha256:{}", "0".repeat(64));
    let mut altered = fixture.simple_signing(&manifest, &repository);
    altered["annotations"]["dev.cosignproject.cosign/signature"] = "MEUCIQ==".into();
    let mut missing = fixture.simple_signing(&manifest, &repository);
    missing["digest"] = zeros.as_str().into();
    // The component is signed, and the manifest that names it is not.
    let component = fixture.cosign.bundle(&fixture.component);
    for (layer, words) in [
        (
            fixture.simple_signing(&zeros, &repository),
            &["of the digest sha256:0000"][..],
        ),
        (
            fixture.simple_signing(&manifest, "a.b/team/tool"),
            &["for the repository `a.b/team/tool`"],
        ),
        (
            fixture.simple_signing(&manifest, "127.0.0.1/team/tool"),
            &["for the repository `127.0.0.1/team/tool`"],
        ),
        (altered, &["not made with an expected key"]),
        (missing, &["cannot be read"]),
        (fixture.blob(BUNDLE, b"{}"), &["cannot be understood"]),
        (
            fixture.blob(BUNDLE, component.as_bytes()),
            &["of the digest sha256:"],
        ),
        (json!({ "mediaType": BUNDLE }), &["cannot be read"]),
    ] {
        fixture.signatures(&sig_tag(&manifest), &[layer]);
        fixture.assert_refused(
            &reference,
            &[words, &[sig_tag(&manifest).as_str()]].concat(),
        );
    }
    // A registry cannot make the host fetch without end.
    let layers = vec![fixture.simple_signing(&zeros, &repository); 500];
    fixture.signatures(&sig_tag(&manifest), &layers);
    let before = fixture.web.requests().len();
    fixture.assert_refused(&reference, &["of the digest sha256:0000"]);
    assert!(fixture.web.requests().len() - before < 40);
}

/// A rule is for the references below its prefix. Others follow the general table.
#[test]
fn rules_have_signers_of_their_own() {
    let fixture = Fixture::new();
    for path in ["/team/x.wasm", "/team-2/x.wasm"] {
        fixture.web.reply(path, Reply::new(&*fixture.component));
        let signature = fixture.minisign.sign(&fixture.component);
        fixture
            .web
            .reply(format!("{path}.minisig"), Reply::new(signature));
    }
    let prefix = fixture.web.url("/team");
    fixture.toolcrib.file(
        "c.toml",
        format!(
            "[trust]\nkeys = [{{ file = \"minisign.pub\" }}]\n\
             [[trust.rule]]\nprefix = \"{prefix}\"\nkeys = [{{ file = \"cosign.pub\" }}]\n"
        ),
    );
    let inside = fixture.web.url("/team/x.wasm");
    fixture.assert_refused(&inside, &["which is not trusted", "the ECDSA key"]);
    let bundle = fixture.cosign.bundle(&fixture.component);
    fixture
        .web
        .reply("/team/x.wasm.sigstore.json", Reply::new(bundle));
    assert_eq!(fixture.call(&inside).stdout, "hello\n");
    // Outside of the rule nothing is required, so that a digest is.
    let outside = fixture.web.url("/team-2/x.wasm");
    let output = fixture.call(&outside);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("is not pinned"), "{output:?}");
    let arguments = [
        "inspect",
        "--allow-unpinned",
        "--json",
        "--config",
        "c.toml",
        &outside,
    ];
    let output = fixture.toolcrib.run(&arguments);
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    let signer = format!("the minisign key {}", fixture.minisign.id());
    assert_eq!(found[0]["signedBy"], signer);
}
