//! Two tools on a jq engine: `jq` runs a filter on one JSON value, `jq_each` on each value of a list.

mod filter;
mod schemas;

use std::collections::BTreeMap;

use filter::Filter;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "tool-component" });
}

use bindings::exports::toolcrib::mcp::tool::{Definition, Error, Guest, Outcome, Request};
use bindings::toolcrib::mcp::call;
use bindings::toolcrib::mcp::types::{Annotations, Block, Content, Output};

struct Jq;

bindings::export!(Jq with_types_in bindings);

impl Guest for Jq {
    fn definitions() -> Vec<Definition> {
        vec![
            Definition {
                name: "jq".into(),
                title: Some("Query JSON".into()),
                description: "Runs a jq filter over one JSON value and returns every value that it produces. Use it \
                              to select, reshape, sort, group or sum up JSON exactly instead of doing so by hand. \
                              Text in a string is read with `fromjson`, `fromcsv`, `fromyaml`, `fromtoml` or \
                              `fromxml` and written with `tojson`, `tocsv` and so on. There is no `now`, `env`, \
                              `input`, `import` or `include`."
                    .into(),
                input_schema: schemas::JQ_INPUT.into(),
                output_schema: Some(schemas::JQ_OUTPUT.into()),
                annotations: Some(READ_ONLY),
                icons: Vec::new(),
                meta: None,
            },
            Definition {
                name: "jq_each".into(),
                title: Some("Query a list of JSON values".into()),
                description: "Runs a jq filter over each value of a list by itself and returns, in the same order, \
                              what it produced for each. A value for which the filter fails gets an error text and \
                              does not stop the others. Reports progress."
                    .into(),
                input_schema: schemas::JQ_EACH_INPUT.into(),
                output_schema: Some(schemas::JQ_EACH_OUTPUT.into()),
                annotations: Some(READ_ONLY),
                icons: Vec::new(),
                meta: None,
            },
        ]
    }

    fn call(request: Request) -> Result<Outcome, Error> {
        route_debug_to_host();
        match request.tool.as_str() {
            "jq" => jq(&request.arguments),
            "jq_each" => jq_each(&request.arguments),
            other => Err(Error::InvalidArguments(format!("there is no tool named {other}"))),
        }
    }
}

/// JSON text of all results of a call. A result contains it twice (as text and as structured content), so the limit is
/// well below the output limit of hosts.
const MAX_RESULT_BYTES: usize = 1 << 20;
/// Results of a filter for one value.
const MAX_RESULTS: usize = 10_000;

type Variables = BTreeMap<String, Box<RawValue>>;

fn jq(arguments: &str) -> Result<Outcome, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        filter: String,
        input: Box<RawValue>,
        #[serde(default)]
        variables: Variables,
    }
    #[derive(Serialize)]
    struct Structured {
        results: Vec<Box<RawValue>>,
        truncated: bool,
    }
    let arguments: Arguments = parse(arguments)?;
    let filter = compile(&arguments.filter, &arguments.variables)?;
    let output = filter
        .run(arguments.input.get(), MAX_RESULTS, MAX_RESULT_BYTES)
        .map_err(|error| Error::Failed(error.to_string()))?;
    if output.truncated && output.results.is_empty() {
        return Err(Error::Failed(format!("the first result alone exceeds {MAX_RESULT_BYTES} bytes; select less")));
    }

    let mut lines: Vec<&str> = output.results.iter().map(|result| result.get()).collect();
    if output.truncated {
        lines.push("(more results were left out)");
    }
    let text = lines.join("\n");
    complete(text, &Structured { results: output.results, truncated: output.truncated })
}

fn jq_each(arguments: &str) -> Result<Outcome, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        filter: String,
        inputs: Vec<Box<RawValue>>,
        #[serde(default)]
        variables: Variables,
    }
    #[derive(Serialize)]
    struct Structured {
        items: Vec<Item>,
        failed: usize,
    }
    #[derive(Serialize)]
    struct Item {
        results: Vec<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    }
    let arguments: Arguments = parse(arguments)?;
    let filter = compile(&arguments.filter, &arguments.variables)?;

    let total = arguments.inputs.len();
    // At most one report per percent, to avoid flooding the client.
    let step = total.div_ceil(100).max(1);
    let mut bytes_left = MAX_RESULT_BYTES;
    let mut structured = Structured { items: Vec::with_capacity(total), failed: 0 };
    for (index, input) in arguments.inputs.iter().enumerate() {
        if index % step == 0 {
            if call::cancelled() {
                return Err(Error::Failed(format!("cancelled after {index} of {total} values")));
            }
            call::progress(index as f64, Some(total as f64), None);
        }
        match filter.run(input.get(), MAX_RESULTS, bytes_left) {
            Ok(output) if output.truncated => {
                return Err(Error::Failed(format!(
                    "stopped at inputs[{index}]: more than {MAX_RESULTS} results for it, or more than \
                     {MAX_RESULT_BYTES} bytes of results in all; select less or send fewer values"
                )));
            }
            Ok(output) => {
                bytes_left -= output.results.iter().map(|result| result.get().len()).sum::<usize>();
                structured.items.push(Item { results: output.results, error: None });
            }
            Err(error) => {
                structured.failed += 1;
                structured.items.push(Item { results: Vec::new(), error: Some(error.to_string()) });
            }
        }
    }
    call::progress(total as f64, Some(total as f64), None);
    call::log(call::Level::Info, &format!("filtered {total} values, {} failed", structured.failed));
    complete(json(&structured)?, &structured)
}

fn parse<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, Error> {
    serde_json::from_str(arguments).map_err(|error| Error::InvalidArguments(error.to_string()))
}

fn compile(code: &str, variables: &Variables) -> Result<Filter, Error> {
    Filter::compile(code, variables.iter().map(|(name, value)| (name.as_str(), value.get())))
        .map_err(|error| Error::InvalidArguments(error.to_string()))
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Failed(error.to_string()))
}

/// Returns the outcome of a completed call: text for clients that read only text, and the same as structured content.
fn complete(text: String, structured: &impl Serialize) -> Result<Outcome, Error> {
    Ok(Outcome::Complete(Output {
        content: vec![Content { block: Block::Text(text), audience: None }],
        structured: Some(json(structured)?),
        meta: None,
    }))
}

/// Sends the output of the jq filters `debug` and `stderr` to the host's log.
///
/// The level is always debug: the caller controls the text, so it must not look like an error of the server.
fn route_debug_to_host() {
    struct HostLog;
    impl log::Log for HostLog {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }
        fn log(&self, record: &log::Record) {
            call::log(call::Level::Debug, &record.args().to_string());
        }
        fn flush(&self) {}
    }
    // This fails only if a logger is set already, which can only be this one.
    let _ = log::set_logger(&HostLog);
    log::set_max_level(log::LevelFilter::Debug);
}

const READ_ONLY: Annotations =
    Annotations { read_only: Some(true), destructive: Some(false), idempotent: Some(true), open_world: Some(false) };
