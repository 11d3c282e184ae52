//! Validation of access tokens: each accepted form next to the rejected ones.

use super::*;
use crate::support::issuer::{SigningKey, unsigned};
use jsonwebtoken::Algorithm as Jws;

/// The expected outcome of a token's verification.
enum Outcome {
    Accepted,
    /// Status 401, with this text in the challenge.
    Rejected(&'static str),
}
use Outcome::{Accepted, Rejected};

/// Sends each token to the guard over HTTP and to `explain`, which must reach the same result.
#[tokio::test]
async fn invalid_tokens_are_rejected_with_a_reason() {
    let issuer = Issuer::start().await;
    let p256 = issuer.first_key();
    let p384 = SigningKey::p384("p384");
    let ed = SigningKey::ed25519("ed");
    let rsa = SigningKey::rsa("rsa", 0);
    for key in [&p384, &ed, &rsa] {
        issuer.add_key(key.clone());
    }
    let foreign_key = SigningKey::p256("key-1");
    let now = now_seconds();
    let with = |change: &dyn Fn(&mut Value)| issuer.token(change);
    let without = |name: &str| {
        issuer.token(|claims| {
            claims.as_object_mut().unwrap().remove(name);
        })
    };
    let claims = issuer.claims(|_| {}).to_string();
    let header = |header: Value| p256.sign(header.to_string(), &claims);
    // A claim as raw JSON text, for numbers that `Value` cannot represent.
    let raw = |name: &str, text: &str| {
        let claims = issuer
            .claims(|claims| claims[name] = json!("RAW"))
            .to_string();
        p256.sign(
            r#"{"alg":"ES256","kid":"key-1"}"#,
            claims.replace("\"RAW\"", text),
        )
    };
    let with_alg = |key: &SigningKey, alg: &str| {
        let header = json!({ "alg": alg, "kid": key.kid, "typ": "at+jwt" });
        key.sign(header.to_string(), &claims)
    };
    let hmac = |secret: &[u8], kid: &str| {
        let key = SigningKey::secret(kid, Jws::HS256, secret);
        key.token(&issuer.claims(|_| {}))
    };
    let valid = with(&|_| {});
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let tampered = {
        let (_, other_claims) = unsigned("", claims.replace("alice", "mallo"))
            .split_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        format!(
            "{}.{other_claims}.{signature}",
            message.split_once('.').unwrap().0
        )
    };
    let jwk_in_header = foreign_key.sign(
        json!({ "alg": "ES256", "jwk": foreign_key.jwk, "jku": format!("{}/jku", issuer.url()), "x5u": format!("{}/x5u", issuer.url()) }).to_string(),
        &claims,
    );

    #[rustfmt::skip] // One case per line.
    let cases: Vec<(&str, String, Outcome)> = vec![
        // algorithms
        ("ES256", p256.token(&issuer.claims(|_| {})), Accepted),
        ("ES384", p384.token(&issuer.claims(|_| {})), Accepted),
        ("EdDSA", ed.token(&issuer.claims(|_| {})), Accepted),
        ("EdDSA under its newer name", with_alg(&ed, "Ed25519"), Accepted),
        ("RS256", rsa.clone().with(Jws::RS256).token(&issuer.claims(|_| {})), Accepted),
        ("RS384", rsa.clone().with(Jws::RS384).token(&issuer.claims(|_| {})), Accepted),
        ("RS512", rsa.clone().with(Jws::RS512).token(&issuer.claims(|_| {})), Accepted),
        ("PS256", rsa.clone().with(Jws::PS256).token(&issuer.claims(|_| {})), Accepted),
        ("PS384", rsa.clone().with(Jws::PS384).token(&issuer.claims(|_| {})), Accepted),
        ("PS512", rsa.clone().with(Jws::PS512).token(&issuer.claims(|_| {})), Accepted),
        ("none", format!("{}.", unsigned(r#"{"alg":"none"}"#, &claims)), Rejected("algorithm")),
        ("none with a kid", format!("{}.", unsigned(r#"{"alg":"none","kid":"key-1"}"#, &claims)), Rejected("algorithm")),
        ("None", format!("{}.", unsigned(r#"{"alg":"None"}"#, &claims)), Rejected("algorithm")),
        ("none with a signature", header(json!({ "alg": "none", "kid": "key-1" })), Rejected("algorithm")),
        ("HS256 keyed with the PEM", hmac(p256.public_pem.as_bytes(), "key-1"), Rejected("algorithm")),
        ("HS256 keyed with the RSA PEM", hmac(rsa.public_pem.as_bytes(), "rsa"), Rejected("algorithm")),
        ("HS256 keyed with the JWK", hmac(p256.jwk.to_string().as_bytes(), "key-1"), Rejected("algorithm")),
        ("HS256 with an empty key", hmac(b"", "key-1"), Rejected("algorithm")),
        ("RS256 declared as PS256", with_alg(&rsa.clone().with(Jws::RS256), "PS256"), Rejected("bad signature")),
        ("PS256 declared as RS256", with_alg(&rsa.clone().with(Jws::PS256), "RS256"), Rejected("bad signature")),
        ("RS256 declared as RS512", with_alg(&rsa.clone().with(Jws::RS256), "RS512"), Rejected("bad signature")),
        ("RS256 declared as ES256", with_alg(&rsa.clone().with(Jws::RS256), "ES256"), Rejected("algorithm")),
        ("ES256 declared as ES384", with_alg(&p256, "ES384"), Rejected("algorithm")),
        ("ES256 declared as RS256", with_alg(&p256, "RS256"), Rejected("algorithm")),
        ("ES256 declared as EdDSA", with_alg(&p256, "EdDSA"), Rejected("algorithm")),
        ("ES256 declared as ES512", with_alg(&p256, "ES512"), Rejected("algorithm")),
        ("alg in lower case", with_alg(&p256, "es256"), Rejected("algorithm")),
        ("no alg", header(json!({ "kid": "key-1" })), Rejected("not a signed JWT")),
        ("alg as a number", header(json!({ "alg": 256, "kid": "key-1" })), Rejected("not a signed JWT")),
        ("alg as a list", header(json!({ "alg": ["ES256"], "kid": "key-1" })), Rejected("not a signed JWT")),
        ("alg twice", p256.sign(r#"{"alg":"none","alg":"ES256","kid":"key-1"}"#, &claims), Rejected("not a signed JWT")),
        // keys and signatures
        ("no kid", header(json!({ "alg": "ES256" })), Accepted),
        ("unknown kid", header(json!({ "alg": "ES256", "kid": "key-2" })), Rejected("unknown key")),
        ("empty kid", header(json!({ "alg": "ES256", "kid": "" })), Rejected("unknown key")),
        ("kid as a number", header(json!({ "alg": "ES256", "kid": 1 })), Rejected("not a signed JWT")),
        ("the kid of another key", header(json!({ "alg": "ES256", "kid": "p384" })), Rejected("algorithm")),
        ("a foreign key", foreign_key.token(&issuer.claims(|_| {})), Rejected("bad signature")),
        ("a foreign key without kid", foreign_key.clone().without_kid().token(&issuer.claims(|_| {})), Rejected("bad signature")),
        ("a key in the header", jwk_in_header, Rejected("bad signature")),
        ("changed claims", tampered, Rejected("bad signature")),
        ("no signature", format!("{message}."), Rejected("bad signature")),
        ("a shortened signature", valid[..valid.len() - 4].to_owned(), Rejected("bad signature")),
        ("a lengthened signature", format!("{valid}AAAA"), Rejected("bad signature")),
        ("a signature of zeros", format!("{message}.{}", "A".repeat(86)), Rejected("bad signature")),
        ("a padded signature", format!("{valid}=="), Rejected("bad signature")),
        // header
        ("typ JWT", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" })), Accepted),
        ("typ jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "jwt" })), Accepted),
        ("typ application/at+jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "application/at+jwt" })), Accepted),
        ("typ AT+JWT", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "AT+JWT" })), Accepted),
        ("no typ", header(json!({ "alg": "ES256", "kid": "key-1" })), Accepted),
        ("typ logout+jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "logout+jwt" })), Rejected("`typ`")),
        ("typ dpop+jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "dpop+jwt" })), Rejected("`typ`")),
        ("typ JWE", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "JWE" })), Rejected("`typ`")),
        ("typ empty", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "" })), Rejected("`typ`")),
        ("crit", header(json!({ "alg": "ES256", "kid": "key-1", "crit": ["exp"] })), Rejected("critical")),
        ("crit b64", header(json!({ "alg": "ES256", "kid": "key-1", "crit": ["b64"], "b64": false })), Rejected("critical")),
        ("crit empty", header(json!({ "alg": "ES256", "kid": "key-1", "crit": [] })), Rejected("critical")),
        ("crit null", header(json!({ "alg": "ES256", "kid": "key-1", "crit": null })), Rejected("critical")),
        ("an unknown member", header(json!({ "alg": "ES256", "kid": "key-1", "more": 1 })), Accepted),
        // times
        ("expired within the leeway", with(&|c| c["exp"] = json!(now - 50)), Accepted),
        ("expired", with(&|c| c["exp"] = json!(now - 61)), Rejected("expired")),
        ("expired long ago", with(&|c| c["exp"] = json!(0)), Rejected("expired")),
        ("exp with a fraction", raw("exp", &format!("{}.75", now + 100)), Accepted),
        ("exp as 2e9", raw("exp", "2e9"), Accepted),
        ("no exp", without("exp"), Rejected("no `exp`")),
        ("exp null", with(&|c| c["exp"] = Value::Null), Rejected("no `exp`")),
        ("exp as a string", with(&|c| c["exp"] = json!((now + 100).to_string())), Rejected("`exp` is malformed")),
        ("exp negative", raw("exp", "-1"), Rejected("`exp` is malformed")),
        ("exp past u64", raw("exp", "18446744073709551616"), Rejected("`exp` is malformed")),
        ("exp u64::MAX", raw("exp", "18446744073709551615"), Rejected("`exp` is malformed")),
        ("exp i64::MAX", raw("exp", "9223372036854775807"), Rejected("`exp` is malformed")),
        ("exp 1e300", raw("exp", "1e300"), Rejected("`exp` is malformed")),
        ("exp 1e999", raw("exp", "1e999"), Rejected("not a signed JWT")),
        ("exp NaN", raw("exp", "NaN"), Rejected("not a signed JWT")),
        ("exp in the year 10000", raw("exp", "253402300800"), Rejected("`exp` is malformed")),
        ("exp in the year 9999", raw("exp", "253402300799"), Accepted),
        ("exp twice", p256.sign(r#"{"alg":"ES256"}"#, claims.replacen('{', r#"{"exp":1,"#, 1)), Rejected("not a signed JWT")),
        ("nbf past", with(&|c| c["nbf"] = json!(now - 10)), Accepted),
        ("nbf within the leeway", with(&|c| c["nbf"] = json!(now + 50)), Accepted),
        ("nbf future", with(&|c| c["nbf"] = json!(now + 90)), Rejected("not valid yet")),
        ("nbf 1e300", raw("nbf", "1e300"), Rejected("`nbf` is malformed")),
        ("nbf as a string", with(&|c| c["nbf"] = json!("now")), Rejected("`nbf` is malformed")),
        ("no iat", without("iat"), Accepted),
        ("iat within the leeway", with(&|c| c["iat"] = json!(now + 50)), Accepted),
        ("iat future", with(&|c| c["iat"] = json!(now + 90)), Rejected("issued in the future")),
        ("iat as a list", with(&|c| c["iat"] = json!([now])), Rejected("`iat` is malformed")),
        // issuer
        ("iss with a trailing slash", with(&|c| c["iss"] = json!(format!("{}/", issuer.url()))), Accepted),
        ("iss with two slashes", with(&|c| c["iss"] = json!(format!("{}//", issuer.url()))), Rejected("unknown issuer")),
        ("iss with a path", with(&|c| c["iss"] = json!(format!("{}/a", issuer.url()))), Rejected("unknown issuer")),
        ("iss in upper case", with(&|c| c["iss"] = json!(issuer.url().to_uppercase())), Rejected("unknown issuer")),
        ("iss with a trailing space", with(&|c| c["iss"] = json!(format!("{} ", issuer.url()))), Rejected("unknown issuer")),
        ("iss https://", with(&|c| c["iss"] = json!("https://")), Rejected("unknown issuer")),
        ("iss ://", with(&|c| c["iss"] = json!("://")), Rejected("unknown issuer")),
        ("another iss", with(&|c| c["iss"] = json!("https://evil.example")), Rejected("unknown issuer")),
        ("no iss", without("iss"), Rejected("no `iss`")),
        ("iss null", with(&|c| c["iss"] = Value::Null), Rejected("no `iss`")),
        ("iss as a list", with(&|c| c["iss"] = json!([issuer.url()])), Rejected("`iss` is malformed")),
        ("iss as a list of two", with(&|c| c["iss"] = json!([issuer.url(), "https://evil.example"])), Rejected("`iss` is malformed")),
        ("iss as an object", with(&|c| c["iss"] = json!({})), Rejected("`iss` is malformed")),
        ("iss empty", with(&|c| c["iss"] = json!("")), Rejected("`iss` is malformed")),
        // audience
        ("aud as a list", with(&|c| c["aud"] = json!(["https://other.example", AUDIENCE])), Accepted),
        ("aud as a URL with a trailing slash", with(&|c| c["aud"] = json!("https://root.example/")), Accepted),
        ("aud with a slash after the path", with(&|c| c["aud"] = json!(format!("{AUDIENCE}/"))), Rejected("wrong audience")),
        ("aud as a prefix", with(&|c| c["aud"] = json!("https://tools.example")), Rejected("wrong audience")),
        ("aud in upper case", with(&|c| c["aud"] = json!(AUDIENCE.to_uppercase())), Rejected("wrong audience")),
        ("another aud", with(&|c| c["aud"] = json!("https://other.example")), Rejected("wrong audience")),
        ("aud as a list of others", with(&|c| c["aud"] = json!(["a", "b"])), Rejected("wrong audience")),
        ("aud as an empty list", with(&|c| c["aud"] = json!([])), Rejected("wrong audience")),
        ("aud https://", with(&|c| c["aud"] = json!("https://")), Rejected("wrong audience")),
        ("aud empty", with(&|c| c["aud"] = json!("")), Rejected("wrong audience")),
        ("no aud", without("aud"), Rejected("no `aud`")),
        ("aud null", with(&|c| c["aud"] = Value::Null), Rejected("no `aud`")),
        ("aud as a number", with(&|c| c["aud"] = json!(1)), Rejected("`aud` is malformed")),
        ("aud as a list with a number", with(&|c| c["aud"] = json!([AUDIENCE, 1])), Rejected("`aud` is malformed")),
        ("aud as an object", with(&|c| c["aud"] = json!({ "a": AUDIENCE })), Rejected("`aud` is malformed")),
        // kind of token
        ("no sign of an ID token", header(json!({ "alg": "ES256", "typ": "JWT" })), Accepted),
        ("an ID token by nonce", p256.sign(r#"{"alg":"ES256","typ":"JWT"}"#, issuer.claims(|c| c["nonce"] = json!("n")).to_string()), Rejected("ID token")),
        ("an ID token by at_hash", p256.sign(r#"{"alg":"ES256"}"#, issuer.claims(|c| c["at_hash"] = json!("h")).to_string()), Rejected("ID token")),
        ("an ID token by c_hash", p256.sign(r#"{"alg":"ES256"}"#, issuer.claims(|c| c["c_hash"] = json!("h")).to_string()), Rejected("ID token")),
        ("an ID token by s_hash", p256.sign(r#"{"alg":"ES256"}"#, issuer.claims(|c| c["s_hash"] = json!("h")).to_string()), Rejected("ID token")),
        ("an ID token by the claim typ", with(&|c| c["typ"] = json!("ID")), Rejected("ID token")),
        ("an ID token by token_use", with(&|c| c["token_use"] = json!("id")), Rejected("ID token")),
        ("an access token by token_use", p256.sign(r#"{"alg":"ES256"}"#, issuer.claims(|c| { c["nonce"] = json!("n"); c["token_use"] = json!("access"); }).to_string()), Accepted),
        ("a nonce in an at+jwt", with(&|c| c["nonce"] = json!("n")), Accepted),
        ("a nonce with the claim typ Bearer", p256.sign(r#"{"alg":"ES256","typ":"JWT"}"#, issuer.claims(|c| { c["nonce"] = json!("n"); c["typ"] = json!("Bearer"); }).to_string()), Accepted),
        ("a refresh token", with(&|c| c["typ"] = json!("Refresh")), Rejected("no access token")),
        ("an offline token", with(&|c| c["typ"] = json!("Offline")), Rejected("no access token")),
        ("a logout token", with(&|c| c["events"] = json!({})), Rejected("no access token")),
        ("a sender-constrained token", with(&|c| c["cnf"] = json!({ "jkt": "k" })), Rejected("bound")),
        // subject
        ("a client but no sub", without("sub"), Accepted),
        ("no sub and no client", with(&|c| { c["sub"] = Value::Null; c["client_id"] = Value::Null; }), Rejected("no `sub`")),
        ("sub as a number", with(&|c| c["sub"] = json!(7)), Rejected("`sub` is malformed")),
        ("sub empty", with(&|c| c["sub"] = json!("")), Rejected("`sub` is malformed")),
        ("azp as an object", with(&|c| { c["client_id"] = Value::Null; c["azp"] = json!({}); }), Rejected("`azp` is malformed")),
        ("client_id as a list", with(&|c| c["client_id"] = json!(["a"])), Rejected("`client_id` is malformed")),
        // format
        ("an opaque token", "opaque".to_owned(), Rejected("not a signed JWT")),
        ("the text `undefined`", "undefined".to_owned(), Rejected("not a signed JWT")),
        ("two parts", message.to_owned(), Rejected("not a signed JWT")),
        ("five parts", format!("{valid}.a.b"), Rejected("not a signed JWT")),
        ("only dots", "...".to_owned(), Rejected("not a signed JWT")),
        ("not base64url", format!("+{valid}"), Rejected("not a signed JWT")),
        ("a header that is not JSON", p256.sign("{", &claims), Rejected("not a signed JWT")),
        ("a header that is a list", p256.sign("[]", &claims), Rejected("not a signed JWT")),
        ("claims that are not JSON", p256.sign(r#"{"alg":"ES256"}"#, "{"), Rejected("not a signed JWT")),
        ("claims that are a string", p256.sign(r#"{"alg":"ES256"}"#, r#""x""#), Rejected("not a signed JWT")),
        ("deeply nested claims", p256.sign(r#"{"alg":"ES256"}"#, format!(r#"{{"aud":{}{}}}"#, "[".repeat(4000), "]".repeat(4000))), Rejected("not a signed JWT")),
    ];

    let mut config = config(&issuer);
    config.issuers[0]
        .audience
        .push("https://root.example".to_owned());
    let site = Site::start(config).await;
    let (mut accepted, mut rejected) = (0, 0);
    for (name, token, outcome) in &cases {
        let answer = site.get(token).await;
        let findings = site.guard.explain(token).await;
        let is_explained_as_accepted = findings.iter().all(|finding| finding.accepted);
        match outcome {
            Accepted => {
                accepted += 1;
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                assert!(is_explained_as_accepted, "{name}: {findings:?}");
            }
            Rejected(reason) => {
                rejected += 1;
                assert_eq!(answer.status, 401, "{name}: {answer:?}");
                let challenge = answer.challenge();
                assert!(
                    challenge.contains(r#"error="invalid_token""#),
                    "{name}: {challenge}"
                );
                assert!(challenge.contains(reason), "{name}: {challenge}");
                assert_eq!(answer.body["error"], "invalid_token", "{name}");
                let description = answer.body["error_description"].as_str().unwrap();
                assert!(challenge.contains(description), "{name}: {challenge}");
                assert!(!is_explained_as_accepted, "{name}: {findings:?}");
            }
        }
        let output = format!("{findings:?}{answer:?}");
        assert!(
            token.len() < 20 || !output.contains(token.as_str()),
            "{name}: the token is disclosed"
        );
        assert!(
            token
                .rsplit('.')
                .next()
                .is_none_or(|part| part.len() < 20 || !output.contains(part))
        );
    }
    // URLs in token headers (`jku`, `x5u`) are not fetched.
    assert_eq!(issuer.other_requests(), 0);
    println!("{accepted} tokens accepted, {rejected} rejected");
}

#[tokio::test]
async fn at_jwt_can_be_required() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.require_at_jwt = true;
    let site = Site::start(config).await;
    let key = issuer.first_key();
    let claims = issuer.claims(|_| {}).to_string();
    for (header, status) in [
        (json!({ "alg": "ES256", "typ": "at+jwt" }), 200),
        (json!({ "alg": "ES256", "typ": "application/AT+jwt" }), 200),
        (json!({ "alg": "ES256", "typ": "JWT" }), 401),
        (json!({ "alg": "ES256" }), 401),
    ] {
        let answer = site.get(&key.sign(header.to_string(), &claims)).await;
        assert_eq!(answer.status, status, "{header}");
    }
}

#[tokio::test]
async fn the_leeway_is_configurable() {
    let issuer = Issuer::start().await;
    for (leeway_seconds, expired_seconds, status) in
        [(0, 2, 401), (5, 2, 200), (5, 10, 401), (300, 290, 200)]
    {
        let mut config = config(&issuer);
        config.leeway = Duration::from_secs(leeway_seconds);
        let site = Site::start(config).await;
        let token = issuer.token(|claims| claims["exp"] = json!(now_seconds() - expired_seconds));
        assert_eq!(
            site.get(&token).await.status,
            status,
            "leeway {leeway_seconds} s, expired {expired_seconds} s ago"
        );
    }
}

/// An explanation reports every check of a token, whether passed or failed.
#[tokio::test]
async fn explanations_name_every_failed_check() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.required_scopes = vec!["tools:use".to_owned()];
    let site = Site::start(config).await;
    let now = now_seconds();
    let with = |change: &dyn Fn(&mut Value)| {
        issuer.token(|claims| {
            claims["scope"] = json!("tools:use");
            change(claims);
        })
    };
    let long = "x".repeat(1000);
    for (token, failed_checks, text) in [
        (with(&|_| {}), vec![], ""),
        (
            with(&|c| c["scope"] = json!("tools:see")),
            vec!["scope"],
            "lacks tools:use",
        ),
        (
            with(&|c| c["exp"] = json!(now - 1000)),
            vec!["exp"],
            "s ago",
        ),
        (
            with(&|c| c["aud"] = json!("other")),
            vec!["aud"],
            "accepted: https://tools.example/mcp",
        ),
        (
            with(&|c| c["iss"] = json!("other")),
            vec!["iss"],
            issuer.url(),
        ),
        (with(&|c| c["sub"] = json!(long)), vec![], "xxx…"),
        (with(&|c| c["sub"] = json!("a\n\u{1b}[31m")), vec![], "\\n"),
        (
            with(&|c| {
                c["aud"] = json!("other");
                c["exp"] = json!(1);
                c["scope"] = Value::Null;
            }),
            vec!["exp", "aud", "scope"],
            "",
        ),
        ("opaque".to_owned(), vec!["format"], "three parts"),
    ] {
        let findings = site.guard.explain(&token).await;
        let failed: Vec<&str> = findings
            .iter()
            .filter(|finding| !finding.accepted)
            .map(|finding| finding.name)
            .collect();
        assert_eq!(failed, failed_checks, "{findings:?}");
        let texts: Vec<&str> = findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert!(texts.iter().any(|found| found.contains(text)), "{texts:?}");
        assert!(
            !texts.iter().any(|found| found.contains(['\n', '\u{1b}'])),
            "{texts:?}"
        );
        assert!(texts.iter().all(|found| found.len() < 500), "{texts:?}");
    }
}
