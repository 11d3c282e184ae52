//! MCP over Streamable HTTP: three protocol revisions at one endpoint, and error responses that clients of each
//! understand.

mod admission;
mod call_limits;
mod http_rules;
mod lifecycle;
mod messages;
mod mirrored_headers;
mod sessions;
mod shutdown;
mod tools_list;
