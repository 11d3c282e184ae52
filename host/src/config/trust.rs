//! `[trust]`: the signatures that components need.

use url::Url;

use super::section::Section;
use crate::trust::{IdentityError, Signers, TrustPolicy, TrustRule, TrustedIdentity, TrustedKey};

/// Upper limit of the keys or identities in one list. Each is tried for each signature.
const MAX_SIGNERS: usize = 32;
/// Upper limit of `[[trust.rule]]` tables.
const MAX_RULES: usize = 256;
/// Upper limit of a trusted root. That of Sigstore has about 10 KiB.
const MAX_ROOT_BYTES: u64 = 1 << 20;

/// Reads `[trust]`.
pub(super) fn read_trust(section: Section<'_, '_>) -> TrustPolicy {
    let root = read_root(&section);
    let signers = read_signers(&section, root.as_deref()).unwrap_or_default();
    let require_signatures = section.boolean("require-signatures").unwrap_or(false);
    let mut rules = Vec::new();
    let tables = section.table_list("rule");
    if tables.len() > MAX_RULES {
        section.error("rule", format!("has more than {MAX_RULES} tables"));
    }
    for table in tables {
        rules.extend(read_rule(table, root.as_deref(), &signers));
    }
    if require_signatures && signers.is_empty() && rules.is_empty() {
        section.error(
            "require-signatures",
            "needs somebody who signs; give `keys`, or `identity`, `issuer` and `trusted-root`",
        );
    }
    section.finish();
    TrustPolicy {
        signers,
        require_signatures,
        rules,
    }
}

/// Reads `[[trust.rule]]`. A trusted root and signers that it lacks are those of `[trust]`.
fn read_rule(
    section: Section<'_, '_>,
    default_root: Option<&str>,
    default_signers: &Signers,
) -> Option<TrustRule> {
    if section.value("prefix").is_none() {
        section.error("prefix", "is missing; name the beginning of references");
    }
    let prefix = section.parsed(
        "prefix",
        "the beginning of remote references, such as \"oci://ghcr.io/team/\" or \
         \"https://tools.example.com/\"",
        normalized_prefix,
    );
    let own_root = read_root(&section);
    let root = own_root.as_deref().or(default_root);
    let signers = match read_signers(&section, root) {
        Some(signers) => signers,
        None => {
            if default_signers.is_empty() {
                section.error(
                    "prefix",
                    "has nobody who signs; give `keys`, or `identity`, `issuer` and `trusted-root`",
                );
            }
            default_signers.clone()
        }
    };
    section.finish();
    Some(TrustRule {
        prefix: prefix?,
        signers,
    })
}

fn read_root(section: &Section<'_, '_>) -> Option<String> {
    let path = section.string("trusted-root")?;
    let text = section.read_file(&section.base().join(path), MAX_ROOT_BYTES);
    text.map_err(|message| section.error("trusted-root", message))
        .ok()
}

/// Reads the keys and identities of a table; `None` if it has no such key.
fn read_signers(section: &Section<'_, '_>, root: Option<&str>) -> Option<Signers> {
    let texts = section.string_or_list("keys");
    let identities = section.string_or_list("identity");
    let issuer = section.string("issuer");
    for (key, list) in [("keys", &texts), ("identity", &identities)] {
        let length = list.as_ref().map(Vec::len);
        if length == Some(0) {
            section.error(
                key,
                "is empty, so that nothing could be signed; leave it out",
            );
        }
        if length.is_some_and(|length| length > MAX_SIGNERS) {
            section.error(key, format!("has more than {MAX_SIGNERS} entries"));
        }
    }
    if texts.is_none() && identities.is_none() && issuer.is_none() {
        return None;
    }
    let mut signers = Signers::default();
    for text in texts.iter().flatten().take(MAX_SIGNERS) {
        match TrustedKey::parse(text) {
            Ok(key) => signers.keys.push(key),
            Err(error) => section.error("keys", format!("has an entry that {error}")),
        }
    }
    match (&identities, &issuer, root) {
        (Some(identities), Some(issuer), Some(root)) => {
            for identity in identities.iter().take(MAX_SIGNERS) {
                match TrustedIdentity::new(identity, issuer, root) {
                    Ok(identity) => signers.identities.push(identity),
                    Err(error @ IdentityError::Everybody) => {
                        section.error("identity", error.to_string());
                    }
                    Err(error) => {
                        section.error("trusted-root", error.to_string());
                        break;
                    }
                }
            }
        }
        (Some(_), None, _) => section.error(
            "identity",
            "needs `issuer`, such as \"https://accounts.google.com\": others may confirm the same identity",
        ),
        (None, Some(_), _) => section.error("issuer", "needs `identity`: the issuer confirms many"),
        // Reported already.
        (Some(_), Some(_), None) if section.value("trusted-root").is_some() => {}
        (Some(_), Some(_), None) => section.error(
            "identity",
            "needs `trusted-root`, a file with the certificates and log keys of Sigstore \
             (`trusted_root.json`)",
        ),
        (None, None, _) => {}
    }
    Some(signers)
}

/// Returns the prefix in the form in which references are shown, or `None` if it is not the beginning of one.
fn normalized_prefix(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let is_oci = scheme == "oci";
    if !is_oci && scheme != "https" && scheme != "http" {
        return None;
    }
    let web_scheme = if is_oci { "https" } else { &scheme };
    let url = Url::parse(&format!("{web_scheme}://{rest}")).ok()?;
    if !url.has_host()
        || !url.username().is_empty()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return None;
    }
    let normalized = url.to_string();
    match is_oci {
        true => Some(normalized.replacen("https://", "oci://", 1)),
        false => Some(normalized),
    }
}
