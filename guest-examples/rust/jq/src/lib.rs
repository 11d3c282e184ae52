//! Two tools on a jq engine: `jq` runs a filter on one JSON value, `jq_each` on each value of a list.

mod filter;

use std::collections::BTreeMap;

use filter::Filter;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use toolcrib_guest::call::{self, Level};
use toolcrib_guest::{Error, Json, tool};

toolcrib_guest::export!(jq, jq_each);

/// JSON text of all results of a call. A result contains it twice (as text and as structured content), so the limit is
/// well below the output limit of hosts.
const MAX_RESULT_BYTES: usize = 1 << 20;
/// Results of a filter for one value.
const MAX_RESULTS: usize = 10_000;

type Variables = BTreeMap<String, Box<RawValue>>;

/// The result of `jq`. Values stay text, because parsing rounds large numbers.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Results {
    /// Every value that the filter produced, in order
    #[schemars(with = "Vec<Value>")]
    results: Vec<Box<RawValue>>,
    /// Whether further results were left out
    truncated: bool,
}

/// The result of `jq_each`.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Items {
    /// One entry for each input, in the same order
    items: Vec<Item>,
    /// For how many inputs the filter failed
    failed: usize,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Item {
    /// The filter's outputs for this input
    #[schemars(with = "Vec<Value>")]
    results: Vec<Box<RawValue>>,
    /// Why it failed for this input
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    error: Option<String>,
}

/// Runs a jq filter over one JSON value and returns every value that it produces. Use it to select, reshape, sort, group
/// or sum up JSON exactly instead of doing so by hand. Text in a string is read with `fromjson`, `fromcsv`, `fromyaml`,
/// `fromtoml` or `fromxml` and written with `tojson`, `tocsv` and so on. There is no `now`, `env`, `input`, `import` or
/// `include`.
#[tool(title = "Query JSON", read_only, destructive = false, idempotent, open_world = false)]
fn jq(
    /// The jq filter, such as `.items[] | select(.price > 10) | .name`
    #[schemars(length(min = 1, max = 8192))]
    filter: String,
    /// The JSON value that the filter gets as `.`
    #[schemars(with = "Value")]
    input: Box<RawValue>,
    /// Values that the filter can use as `$name`
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Value>", extend("propertyNames" = { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }))]
    variables: Variables,
) -> Result<(String, Json<Results>), Error> {
    route_debug_to_host();
    let output = compile(&filter, &variables)?.run(input.get(), MAX_RESULTS, MAX_RESULT_BYTES)?;
    if output.truncated && output.results.is_empty() {
        return Err(Error::failed(format!("the first result alone exceeds {MAX_RESULT_BYTES} bytes; select less")));
    }

    let mut lines: Vec<&str> = output.results.iter().map(|result| result.get()).collect();
    if output.truncated {
        lines.push("(more results were left out)");
    }
    let text = lines.join("\n");
    Ok((text, Json(Results { results: output.results, truncated: output.truncated })))
}

/// Runs a jq filter over each value of a list by itself and returns, in the same order, what it produced for each. A
/// value for which the filter fails gets an error text and does not stop the others. Reports progress.
#[tool(title = "Query a list of JSON values", read_only, destructive = false, idempotent, open_world = false)]
fn jq_each(
    /// The jq filter, such as `{id, total: (.lines | map(.price) | add)}`
    #[schemars(length(min = 1, max = 8192))]
    filter: String,
    /// The JSON values; the filter gets one after the other as `.`
    #[schemars(with = "Vec<Value>", length(max = 10_000))]
    inputs: Vec<Box<RawValue>>,
    /// Values that the filter can use as `$name`
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Value>", extend("propertyNames" = { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }))]
    variables: Variables,
) -> Result<Json<Items>, Error> {
    route_debug_to_host();
    let filter = compile(&filter, &variables)?;
    let total = inputs.len();
    // At most one report per percent, to avoid flooding the client.
    let step = total.div_ceil(100).max(1);
    let mut bytes_left = MAX_RESULT_BYTES;
    let mut found = Items { items: Vec::with_capacity(total), failed: 0 };
    for (index, input) in inputs.iter().enumerate() {
        if index % step == 0 {
            if call::cancelled() {
                return Err(Error::failed(format!("cancelled after {index} of {total} values")));
            }
            call::progress(index as f64, Some(total as f64), None);
        }
        match filter.run(input.get(), MAX_RESULTS, bytes_left) {
            Ok(output) if output.truncated => {
                return Err(Error::failed(format!(
                    "stopped at inputs[{index}]: more than {MAX_RESULTS} results for it, or more than \
                     {MAX_RESULT_BYTES} bytes of results in all; select less or send fewer values"
                )));
            }
            Ok(output) => {
                bytes_left -= output.results.iter().map(|result| result.get().len()).sum::<usize>();
                found.items.push(Item { results: output.results, error: None });
            }
            Err(error) => {
                found.failed += 1;
                found.items.push(Item { results: Vec::new(), error: Some(error.to_string()) });
            }
        }
    }
    call::progress(total as f64, Some(total as f64), None);
    call::log(Level::Info, &format!("filtered {total} values, {} failed", found.failed));
    Ok(Json(found))
}

fn compile(code: &str, variables: &Variables) -> Result<Filter, Error> {
    Filter::compile(code, variables.iter().map(|(name, value)| (name.as_str(), value.get())))
        .map_err(Error::invalid_arguments)
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
            call::log(Level::Debug, &record.args().to_string());
        }
        fn flush(&self) {}
    }
    // This fails only if a logger is set already, which can only be this one.
    let _ = log::set_logger(&HostLog);
    log::set_max_level(log::LevelFilter::Debug);
}
