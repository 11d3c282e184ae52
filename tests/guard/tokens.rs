//! Tokens, each accepted one beside those that are refused.

use super::*;
use crate::support::issuer::{SigningKey, unsigned};
use jsonwebtoken::Algorithm as Jws;

/// What becomes of a token.
enum Verdict {
    Accepted,
    /// 401, and the reason that the challenge gives.
    Refused(&'static str),
}
use Verdict::{Accepted, Refused};

/// Every token goes to a guard over HTTP, and to its explanation, which must come to the same verdict.
#[tokio::test]
async fn tokens() {
    let issuer = Issuer::start().await;
    let p256 = issuer.first_key();
    let p384 = SigningKey::p384("p384");
    let ed = SigningKey::ed25519("ed");
    let rsa = SigningKey::rsa("rsa", 0);
    for key in [&p384, &ed, &rsa] {
        issuer.add_key(key.clone());
    }
    let stranger = SigningKey::p256("key-1");
    let now = now_seconds();
    let with = |change: &dyn Fn(&mut Value)| issuer.token(change);
    let without = |name: &str| {
        issuer.token(|claims| {
            claims.as_object_mut().unwrap().remove(name);
        })
    };
    let claims = issuer.claims(|_| {}).to_string();
    let header = |header: Value| p256.sign(&header.to_string(), &claims);
    // A claim as raw JSON text, for what no JSON value can hold.
    let raw = |name: &str, text: &str| {
        let claims = issuer
            .claims(|claims| claims[name] = json!("RAW"))
            .to_string();
        p256.sign(
            r#"{"alg":"ES256","kid":"key-1"}"#,
            &claims.replace("\"RAW\"", text),
        )
    };
    let labelled = |key: &SigningKey, label: &str| {
        let header = json!({ "alg": label, "kid": key.kid, "typ": "at+jwt" });
        key.sign(&header.to_string(), &claims)
    };
    let hmac = |secret: &[u8], kid: &str| {
        let key = SigningKey::secret(kid, Jws::HS256, secret);
        key.token(&issuer.claims(|_| {}))
    };
    let good = with(&|_| {});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let tampered = {
        let (_, other_claims) = unsigned("", &claims.replace("alice", "mallo"))
            .split_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        format!(
            "{}.{other_claims}.{signature}",
            message.split_once('.').unwrap().0
        )
    };
    let jwk_in_header = stranger.sign(
        &json!({ "alg": "ES256", "jwk": stranger.jwk, "jku": format!("{}/jku", issuer.url()), "x5u": format!("{}/x5u", issuer.url()) }).to_string(),
        &claims,
    );

    #[rustfmt::skip] // A case a line.
    let cases: Vec<(&str, String, Verdict)> = vec![
        // algorithms
        ("ES256", p256.token(&issuer.claims(|_| {})), Accepted),
        ("ES384", p384.token(&issuer.claims(|_| {})), Accepted),
        ("EdDSA", ed.token(&issuer.claims(|_| {})), Accepted),
        ("EdDSA by its newer name", labelled(&ed, "Ed25519"), Accepted),
        ("RS256", rsa.clone().with(Jws::RS256).token(&issuer.claims(|_| {})), Accepted),
        ("RS384", rsa.clone().with(Jws::RS384).token(&issuer.claims(|_| {})), Accepted),
        ("RS512", rsa.clone().with(Jws::RS512).token(&issuer.claims(|_| {})), Accepted),
        ("PS256", rsa.clone().with(Jws::PS256).token(&issuer.claims(|_| {})), Accepted),
        ("PS384", rsa.clone().with(Jws::PS384).token(&issuer.claims(|_| {})), Accepted),
        ("PS512", rsa.clone().with(Jws::PS512).token(&issuer.claims(|_| {})), Accepted),
        ("none", format!("{}.", unsigned(r#"{"alg":"none"}"#, &claims)), Refused("algorithm")),
        ("none with a kid", format!("{}.", unsigned(r#"{"alg":"none","kid":"key-1"}"#, &claims)), Refused("algorithm")),
        ("None", format!("{}.", unsigned(r#"{"alg":"None"}"#, &claims)), Refused("algorithm")),
        ("none with a signature", header(json!({ "alg": "none", "kid": "key-1" })), Refused("algorithm")),
        ("HS256 with the PEM", hmac(p256.public_pem.as_bytes(), "key-1"), Refused("algorithm")),
        ("HS256 with the RSA PEM", hmac(rsa.public_pem.as_bytes(), "rsa"), Refused("algorithm")),
        ("HS256 with the JWK", hmac(p256.jwk.to_string().as_bytes(), "key-1"), Refused("algorithm")),
        ("HS256 with nothing", hmac(b"", "key-1"), Refused("algorithm")),
        ("RS256 said to be PS256", labelled(&rsa.clone().with(Jws::RS256), "PS256"), Refused("bad signature")),
        ("PS256 said to be RS256", labelled(&rsa.clone().with(Jws::PS256), "RS256"), Refused("bad signature")),
        ("RS256 said to be RS512", labelled(&rsa.clone().with(Jws::RS256), "RS512"), Refused("bad signature")),
        ("RS256 said to be ES256", labelled(&rsa.clone().with(Jws::RS256), "ES256"), Refused("algorithm")),
        ("ES256 said to be ES384", labelled(&p256, "ES384"), Refused("algorithm")),
        ("ES256 said to be RS256", labelled(&p256, "RS256"), Refused("algorithm")),
        ("ES256 said to be EdDSA", labelled(&p256, "EdDSA"), Refused("algorithm")),
        ("ES256 said to be ES512", labelled(&p256, "ES512"), Refused("algorithm")),
        ("es256", labelled(&p256, "es256"), Refused("algorithm")),
        ("no alg", header(json!({ "kid": "key-1" })), Refused("not a signed JWT")),
        ("alg a number", header(json!({ "alg": 256, "kid": "key-1" })), Refused("not a signed JWT")),
        ("alg a list", header(json!({ "alg": ["ES256"], "kid": "key-1" })), Refused("not a signed JWT")),
        ("alg twice", p256.sign(r#"{"alg":"none","alg":"ES256","kid":"key-1"}"#, &claims), Refused("not a signed JWT")),
        // keys and signatures
        ("no kid", header(json!({ "alg": "ES256" })), Accepted),
        ("unknown kid", header(json!({ "alg": "ES256", "kid": "key-2" })), Refused("unknown key")),
        ("empty kid", header(json!({ "alg": "ES256", "kid": "" })), Refused("unknown key")),
        ("kid a number", header(json!({ "alg": "ES256", "kid": 1 })), Refused("not a signed JWT")),
        ("another key's kid", header(json!({ "alg": "ES256", "kid": "p384" })), Refused("algorithm")),
        ("a stranger's key", stranger.token(&issuer.claims(|_| {})), Refused("bad signature")),
        ("a stranger's key without kid", stranger.clone().without_kid().token(&issuer.claims(|_| {})), Refused("bad signature")),
        ("a key in the header", jwk_in_header, Refused("bad signature")),
        ("changed claims", tampered, Refused("bad signature")),
        ("no signature", format!("{message}."), Refused("bad signature")),
        ("a shortened signature", good[..good.len() - 4].to_owned(), Refused("bad signature")),
        ("a lengthened signature", format!("{good}AAAA"), Refused("bad signature")),
        ("a signature of zeros", format!("{message}.{}", "A".repeat(86)), Refused("bad signature")),
        ("a padded signature", format!("{good}=="), Refused("bad signature")),
        // header
        ("typ JWT", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" })), Accepted),
        ("typ jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "jwt" })), Accepted),
        ("typ application/at+jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "application/at+jwt" })), Accepted),
        ("typ AT+JWT", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "AT+JWT" })), Accepted),
        ("no typ", header(json!({ "alg": "ES256", "kid": "key-1" })), Accepted),
        ("typ logout+jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "logout+jwt" })), Refused("`typ`")),
        ("typ dpop+jwt", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "dpop+jwt" })), Refused("`typ`")),
        ("typ JWE", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "JWE" })), Refused("`typ`")),
        ("typ empty", header(json!({ "alg": "ES256", "kid": "key-1", "typ": "" })), Refused("`typ`")),
        ("crit", header(json!({ "alg": "ES256", "kid": "key-1", "crit": ["exp"] })), Refused("critical")),
        ("crit b64", header(json!({ "alg": "ES256", "kid": "key-1", "crit": ["b64"], "b64": false })), Refused("critical")),
        ("crit empty", header(json!({ "alg": "ES256", "kid": "key-1", "crit": [] })), Refused("critical")),
        ("crit null", header(json!({ "alg": "ES256", "kid": "key-1", "crit": null })), Refused("critical")),
        ("an unknown member", header(json!({ "alg": "ES256", "kid": "key-1", "more": 1 })), Accepted),
        // times
        ("expired within the leeway", with(&|c| c["exp"] = json!(now - 50)), Accepted),
        ("expired", with(&|c| c["exp"] = json!(now - 61)), Refused("expired")),
        ("expired long ago", with(&|c| c["exp"] = json!(0)), Refused("expired")),
        ("exp with a fraction", raw("exp", &format!("{}.75", now + 100)), Accepted),
        ("exp as 2e9", raw("exp", "2e9"), Accepted),
        ("no exp", without("exp"), Refused("no `exp`")),
        ("exp null", with(&|c| c["exp"] = Value::Null), Refused("no `exp`")),
        ("exp a text", with(&|c| c["exp"] = json!((now + 100).to_string())), Refused("`exp` is malformed")),
        ("exp negative", raw("exp", "-1"), Refused("`exp` is malformed")),
        ("exp past u64", raw("exp", "18446744073709551616"), Refused("`exp` is malformed")),
        ("exp u64::MAX", raw("exp", "18446744073709551615"), Refused("`exp` is malformed")),
        ("exp i64::MAX", raw("exp", "9223372036854775807"), Refused("`exp` is malformed")),
        ("exp 1e300", raw("exp", "1e300"), Refused("`exp` is malformed")),
        ("exp 1e999", raw("exp", "1e999"), Refused("not a signed JWT")),
        ("exp NaN", raw("exp", "NaN"), Refused("not a signed JWT")),
        ("exp in the year 10000", raw("exp", "253402300800"), Refused("`exp` is malformed")),
        ("exp in the year 9999", raw("exp", "253402300799"), Accepted),
        ("exp twice", p256.sign(r#"{"alg":"ES256"}"#, &claims.replacen('{', r#"{"exp":1,"#, 1)), Refused("not a signed JWT")),
        ("nbf past", with(&|c| c["nbf"] = json!(now - 10)), Accepted),
        ("nbf within the leeway", with(&|c| c["nbf"] = json!(now + 50)), Accepted),
        ("nbf future", with(&|c| c["nbf"] = json!(now + 90)), Refused("not valid yet")),
        ("nbf 1e300", raw("nbf", "1e300"), Refused("`nbf` is malformed")),
        ("nbf a text", with(&|c| c["nbf"] = json!("now")), Refused("`nbf` is malformed")),
        ("no iat", without("iat"), Accepted),
        ("iat within the leeway", with(&|c| c["iat"] = json!(now + 50)), Accepted),
        ("iat future", with(&|c| c["iat"] = json!(now + 90)), Refused("issued in the future")),
        ("iat a list", with(&|c| c["iat"] = json!([now])), Refused("`iat` is malformed")),
        // issuer
        ("iss with the root slash", with(&|c| c["iss"] = json!(format!("{}/", issuer.url()))), Accepted),
        ("iss with two slashes", with(&|c| c["iss"] = json!(format!("{}//", issuer.url()))), Refused("unknown issuer")),
        ("iss with a path", with(&|c| c["iss"] = json!(format!("{}/a", issuer.url()))), Refused("unknown issuer")),
        ("iss in capitals", with(&|c| c["iss"] = json!(issuer.url().to_uppercase())), Refused("unknown issuer")),
        ("iss with a blank", with(&|c| c["iss"] = json!(format!("{} ", issuer.url()))), Refused("unknown issuer")),
        ("iss https://", with(&|c| c["iss"] = json!("https://")), Refused("unknown issuer")),
        ("iss ://", with(&|c| c["iss"] = json!("://")), Refused("unknown issuer")),
        ("another iss", with(&|c| c["iss"] = json!("https://evil.example")), Refused("unknown issuer")),
        ("no iss", without("iss"), Refused("no `iss`")),
        ("iss null", with(&|c| c["iss"] = Value::Null), Refused("no `iss`")),
        ("iss a list", with(&|c| c["iss"] = json!([issuer.url()])), Refused("`iss` is malformed")),
        ("iss a list of two", with(&|c| c["iss"] = json!([issuer.url(), "https://evil.example"])), Refused("`iss` is malformed")),
        ("iss an object", with(&|c| c["iss"] = json!({})), Refused("`iss` is malformed")),
        ("iss empty", with(&|c| c["iss"] = json!("")), Refused("`iss` is malformed")),
        // audience
        ("aud a list", with(&|c| c["aud"] = json!(["https://other.example", AUDIENCE])), Accepted),
        ("aud a URL with the root slash", with(&|c| c["aud"] = json!("https://root.example/")), Accepted),
        ("aud a path with a slash", with(&|c| c["aud"] = json!(format!("{AUDIENCE}/"))), Refused("wrong audience")),
        ("aud a prefix", with(&|c| c["aud"] = json!("https://tools.example")), Refused("wrong audience")),
        ("aud in capitals", with(&|c| c["aud"] = json!(AUDIENCE.to_uppercase())), Refused("wrong audience")),
        ("another aud", with(&|c| c["aud"] = json!("https://other.example")), Refused("wrong audience")),
        ("a list of others", with(&|c| c["aud"] = json!(["a", "b"])), Refused("wrong audience")),
        ("aud an empty list", with(&|c| c["aud"] = json!([])), Refused("wrong audience")),
        ("aud https://", with(&|c| c["aud"] = json!("https://")), Refused("wrong audience")),
        ("aud empty", with(&|c| c["aud"] = json!("")), Refused("wrong audience")),
        ("no aud", without("aud"), Refused("no `aud`")),
        ("aud null", with(&|c| c["aud"] = Value::Null), Refused("no `aud`")),
        ("aud a number", with(&|c| c["aud"] = json!(1)), Refused("`aud` is malformed")),
        ("aud a list with a number", with(&|c| c["aud"] = json!([AUDIENCE, 1])), Refused("`aud` is malformed")),
        ("aud an object", with(&|c| c["aud"] = json!({ "a": AUDIENCE })), Refused("`aud` is malformed")),
        // kind
        ("no mark of an ID token", header(json!({ "alg": "ES256", "typ": "JWT" })), Accepted),
        ("an ID token by nonce", p256.sign(r#"{"alg":"ES256","typ":"JWT"}"#, &issuer.claims(|c| c["nonce"] = json!("n")).to_string()), Refused("ID token")),
        ("an ID token by at_hash", p256.sign(r#"{"alg":"ES256"}"#, &issuer.claims(|c| c["at_hash"] = json!("h")).to_string()), Refused("ID token")),
        ("an ID token by c_hash", p256.sign(r#"{"alg":"ES256"}"#, &issuer.claims(|c| c["c_hash"] = json!("h")).to_string()), Refused("ID token")),
        ("an ID token by s_hash", p256.sign(r#"{"alg":"ES256"}"#, &issuer.claims(|c| c["s_hash"] = json!("h")).to_string()), Refused("ID token")),
        ("an ID token by the claim typ", with(&|c| c["typ"] = json!("ID")), Refused("ID token")),
        ("an ID token by token_use", with(&|c| c["token_use"] = json!("id")), Refused("ID token")),
        ("an access token by token_use", p256.sign(r#"{"alg":"ES256"}"#, &issuer.claims(|c| { c["nonce"] = json!("n"); c["token_use"] = json!("access"); }).to_string()), Accepted),
        ("a nonce in an at+jwt", with(&|c| c["nonce"] = json!("n")), Accepted),
        ("a nonce beside the claim typ Bearer", p256.sign(r#"{"alg":"ES256","typ":"JWT"}"#, &issuer.claims(|c| { c["nonce"] = json!("n"); c["typ"] = json!("Bearer"); }).to_string()), Accepted),
        ("a refresh token", with(&|c| c["typ"] = json!("Refresh")), Refused("no access token")),
        ("an offline token", with(&|c| c["typ"] = json!("Offline")), Refused("no access token")),
        ("a logout token", with(&|c| c["events"] = json!({})), Refused("no access token")),
        ("a bound token", with(&|c| c["cnf"] = json!({ "jkt": "k" })), Refused("bound")),
        // subject
        ("no sub but a client", without("sub"), Accepted),
        ("no sub and no client", with(&|c| { c["sub"] = Value::Null; c["client_id"] = Value::Null; }), Refused("no `sub`")),
        ("sub a number", with(&|c| c["sub"] = json!(7)), Refused("`sub` is malformed")),
        ("sub empty", with(&|c| c["sub"] = json!("")), Refused("`sub` is malformed")),
        ("azp an object", with(&|c| { c["client_id"] = Value::Null; c["azp"] = json!({}); }), Refused("`azp` is malformed")),
        ("client_id a list", with(&|c| c["client_id"] = json!(["a"])), Refused("`client_id` is malformed")),
        // form
        ("no JWT", "opaque".to_owned(), Refused("not a signed JWT")),
        ("undefined", "undefined".to_owned(), Refused("not a signed JWT")),
        ("two parts", message.to_owned(), Refused("not a signed JWT")),
        ("five parts", format!("{good}.a.b"), Refused("not a signed JWT")),
        ("dots", "...".to_owned(), Refused("not a signed JWT")),
        ("no base64url", format!("+{good}"), Refused("not a signed JWT")),
        ("a header that is no JSON", p256.sign("{", &claims), Refused("not a signed JWT")),
        ("a header that is a list", p256.sign("[]", &claims), Refused("not a signed JWT")),
        ("claims that are no JSON", p256.sign(r#"{"alg":"ES256"}"#, "{"), Refused("not a signed JWT")),
        ("claims that are a text", p256.sign(r#"{"alg":"ES256"}"#, r#""x""#), Refused("not a signed JWT")),
        ("claims that are nested deep", p256.sign(r#"{"alg":"ES256"}"#, &format!(r#"{{"aud":{}{}}}"#, "[".repeat(4000), "]".repeat(4000))), Refused("not a signed JWT")),
    ];

    let mut settings = settings(&issuer);
    settings.issuers[0]
        .audience
        .push("https://root.example".to_owned());
    let site = Site::start(settings).await;
    let (mut accepted, mut refused) = (0, 0);
    for (name, token, verdict) in &cases {
        let answer = site.get(token).await;
        let findings = site.guard.explain(token).await;
        let explained = findings.iter().all(|finding| finding.accepted);
        match verdict {
            Accepted => {
                accepted += 1;
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                assert!(explained, "{name}: {findings:?}");
            }
            Refused(reason) => {
                refused += 1;
                assert_eq!(answer.status, 401, "{name}: {answer:?}");
                let challenge = answer.challenge();
                assert!(
                    challenge.contains(r#"error="invalid_token""#),
                    "{name}: {challenge}"
                );
                assert!(challenge.contains(reason), "{name}: {challenge}");
                assert_eq!(answer.body["error"], "invalid_token", "{name}");
                let shown = answer.body["error_description"].as_str().unwrap();
                assert!(challenge.contains(shown), "{name}: {challenge}");
                assert!(!explained, "{name}: {findings:?}");
            }
        }
        let told = format!("{findings:?}{answer:?}");
        assert!(
            token.len() < 20 || !told.contains(token.as_str()),
            "{name}: the token is shown"
        );
        assert!(
            token
                .rsplit('.')
                .next()
                .is_none_or(|part| part.len() < 20 || !told.contains(part))
        );
    }
    // What the headers named was not asked for.
    assert_eq!(issuer.other_requests(), 0);
    println!("{accepted} tokens accepted, {refused} refused");
}

#[tokio::test]
async fn at_jwt_can_be_required() {
    let issuer = Issuer::start().await;
    let mut settings = settings(&issuer);
    settings.require_at_jwt = true;
    let site = Site::start(settings).await;
    let key = issuer.first_key();
    let claims = issuer.claims(|_| {}).to_string();
    for (header, status) in [
        (json!({ "alg": "ES256", "typ": "at+jwt" }), 200),
        (json!({ "alg": "ES256", "typ": "application/AT+jwt" }), 200),
        (json!({ "alg": "ES256", "typ": "JWT" }), 401),
        (json!({ "alg": "ES256" }), 401),
    ] {
        let answer = site.get(&key.sign(&header.to_string(), &claims)).await;
        assert_eq!(answer.status, status, "{header}");
    }
}

#[tokio::test]
async fn leeway_is_a_setting() {
    let issuer = Issuer::start().await;
    for (leeway_seconds, late_seconds, status) in
        [(0, 2, 401), (5, 2, 200), (5, 10, 401), (300, 290, 200)]
    {
        let mut settings = settings(&issuer);
        settings.leeway = Duration::from_secs(leeway_seconds);
        let site = Site::start(settings).await;
        let token = issuer.token(|claims| claims["exp"] = json!(now_seconds() - late_seconds));
        assert_eq!(
            site.get(&token).await.status,
            status,
            "{leeway_seconds} {late_seconds}"
        );
    }
}

/// The explanation names what speaks against a token, beside what speaks for it.
#[tokio::test]
async fn explanations() {
    let issuer = Issuer::start().await;
    let mut settings = settings(&issuer);
    settings.required_scopes = vec!["tools:use".to_owned()];
    let site = Site::start(settings).await;
    let now = now_seconds();
    let with = |change: &dyn Fn(&mut Value)| {
        issuer.token(|claims| {
            claims["scope"] = json!("tools:use");
            change(claims);
        })
    };
    let long = "x".repeat(1000);
    for (token, against, says) in [
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
        let refused: Vec<&str> = findings
            .iter()
            .filter(|finding| !finding.accepted)
            .map(|finding| finding.name)
            .collect();
        assert_eq!(refused, against, "{findings:?}");
        let said: Vec<&str> = findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert!(said.iter().any(|said| said.contains(says)), "{said:?}");
        assert!(
            !said.iter().any(|said| said.contains(['\n', '\u{1b}'])),
            "{said:?}"
        );
        assert!(said.iter().all(|said| said.len() < 500), "{said:?}");
    }
}
