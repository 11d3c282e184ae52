//! Plain functions as tools: every function that a component exports, at the root of its world or in an interface.
//!
//! Arguments and results are converted by type:
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string` | boolean, string |
//! | `u8` … `s32` | integer; `1.0` is accepted as one |
//! | `u64`, `s64` | integer within ±(2^53−1), beyond it a string of decimal digits |
//! | `f32`, `f64` | number, `"NaN"`, `"Infinity"` or `"-Infinity"` |
//! | `char` | string of one character |
//! | `list<T>`, `list<u8>` | array; string in base64 |
//! | `tuple<…>` | array of that length |
//! | `record` | object; a field of type `option` may be absent |
//! | `enum`, `flags` | string; array of different strings |
//! | `variant` | the case's name as a string, or `{"case": payload}` |
//! | `option<T>` | `null` or T; if T can be `null` too, `null` or `{"some": T}` |
//! | `own<R>`, `borrow<R>` | object of the arguments of R's constructor |
//! | `result<T, E>` | `{"ok": T}` or `{"error": E}`, with `null` for a missing payload |
//! | `stream<u8>`, `future<T>` | in results: `{"text": …}` or `{"base64": …}`; T |
//!
//! A resource in the arguments is made by its constructor for the call. A method has its resource as an argument of the
//! resource's name, and `NAME_session` calls several methods of one resource.
//!
//! Parameters become the members of the arguments object. A returned record becomes the structured content; any other
//! value is wrapped as `{"result": …}`, because older MCP revisions allow only objects. A function that returns a
//! `result` can fail: its error becomes the tool's error instead of a part of the result.

mod names;
mod wit_docs;

mod package_docs;

mod declarations;
mod types;

mod value_limit;

mod future_payloads;
mod resources;
mod signature;

mod transfers;

mod type_reader;

mod json_path;

mod numbers;

mod decode;
mod encode;
mod json_schema;

mod function;

mod asynchronous;
mod exports;
mod guest_calls;
mod session;

mod invoke;

mod discover;

mod generated;
mod world;

pub(super) use asynchronous::find_asynchronous;
pub(super) use discover::discover;
pub use generated::GeneratedFunction;
pub(crate) use wit_docs::check as check_wit;
pub use world::World;
