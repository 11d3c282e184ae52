//! Tools that ask the client for input: by `input_required` results on 2026-07-28 (multi round-trip requests), by
//! server requests while the call waits in a session of an older revision. Other clients cannot be asked.

mod in_session;
mod request_state;
mod rounds;

use crate::support::guest::{Guest, Tool};

/// The parameters of an elicitation.
const NAME_FORM: &str = r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
/// The host's limit on rounds of questions per call.
const MAX_ROUNDS: usize = 16;
/// The host's limit on a `requestState`.
const MAX_STATE_BYTES: usize = 1 << 20;
/// The parameters of a sampling request that needs the capability `sampling.tools`.
const SAMPLING_WITH_TOOLS: &str =
    r#"{"messages":[],"maxTokens":10,"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#;
/// The parameters of a sampling request.
const SAMPLING: &str =
    r#"{"messages":[{"role":"user","content":{"type":"text","text":"Say hi"}}],"maxTokens":10}"#;

/// A guest with one tool per way to ask. `can` returns for each method whether the client can be asked.
fn asking_guest() -> Guest {
    let mut guest = Guest::new();
    let name = guest.questions(&[["name", "elicitation/create", NAME_FORM]]);
    guest.tool(
        Tool::new("asks"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {name})))
             (call $text (call $answer (local.get $answers) (i32.const 0)))"
        ),
    );
    let with_state = guest.questions_with(
        &[["name", "elicitation/create", NAME_FORM]],
        "the guest's own",
    );
    guest.tool(
        Tool::new("remembers"),
        format!(
            "(if (i32.eqz (local.get $state)) (then (return {with_state})))
             (call $text (local.get $state_ptr) (local.get $state_len))"
        ),
    );
    let two = guest.questions(&[
        ["a", "elicitation/create", NAME_FORM],
        ["b", "sampling/createMessage", SAMPLING],
    ]);
    let both = "(call $say (call $answer (local.get $answers) (i32.const 0)))
                (call $say (call $answer (local.get $answers) (i32.const 1)))
                (call $said)";
    guest.tool(
        Tool::new("two"),
        format!(
            "(if (i32.lt_u (local.get $answers_len) (i32.const 2)) (then (return {two}))) {both}"
        ),
    );
    let first = guest.questions(&[["step1", "elicitation/create", NAME_FORM]]);
    let second = guest.questions(&[["step2", "roots/list", "{}"]]);
    guest.tool(
        Tool::new("steps"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {first})))
             (if (i32.eq (local.get $answers_len) (i32.const 1)) (then (return {second})))
             {both}"
        ),
    );
    let name = guest.questions(&[["name", "elicitation/create", NAME_FORM]]);
    guest.tool(Tool::new("always_asks"), name);
    let by_url = guest.questions(&[[
        "sign_in",
        "elicitation/create",
        r#"{"mode":"url","message":"Sign in","url":"https://example.com","elicitationId":"1"}"#,
    ]]);
    guest.tool(Tool::new("by_url"), by_url);
    let roots = guest.questions(&[["a", "roots/list", "{}"]]);
    guest.tool(Tool::new("roots"), roots);
    let with_tools = guest.questions(&[["a", "sampling/createMessage", SAMPLING_WITH_TOOLS]]);
    guest.tool(Tool::new("with_tools"), with_tools);
    for (name, rounds) in [
        ("at_round_limit", MAX_ROUNDS),
        ("above_round_limit", MAX_ROUNDS + 1),
    ] {
        let mut body = String::new();
        for round in 0..rounds {
            let key = format!("q{round:02}");
            let questions = guest.questions(&[[&key, "elicitation/create", NAME_FORM]]);
            body.push_str(&format!(
                "(if (i32.eq (local.get $answers_len) (i32.const {round})) (then (return {questions})))"
            ));
        }
        guest.tool(
            Tool::new(name),
            format!("{body} (call $text (i32.const 0) (i32.const 0))"),
        );
    }
    let keys: Vec<_> = (0..16).map(|n| format!("q{n:02}")).collect();
    let sixteen: Vec<[&str; 3]> = keys
        .iter()
        .map(|key| [key.as_str(), "elicitation/create", NAME_FORM])
        .collect();
    let sixteen = guest.questions(&sixteen);
    guest.tool(Tool::new("sixteen_at_once"), sixteen);
    guest.import(
        r#"(import "toolcrib:mcp/call@0.1.1" "can-ask" (func $can_ask (param i32 i32) (result i32)))"#,
    );
    let mut can = String::new();
    for method in [
        "elicitation/create",
        "sampling/createMessage",
        "roots/list",
        "ping",
    ] {
        let method = guest.string(method);
        can.push_str(&format!(
            "(call $say_number (i64.extend_i32_u (call $can_ask {method})))"
        ));
    }
    guest.tool(Tool::new("can"), format!("{can} (call $said)"));
    guest
}
