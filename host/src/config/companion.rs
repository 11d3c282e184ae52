//! Descriptions of tools by a component's author, in `FILE.toml` beside `FILE.wasm`. The configuration may replace them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use toml::de::DeTable;

use super::section::{ConfigError, Section, Source};
use super::tool::read_description;
use crate::catalog::ToolConfig;

/// Reads the tables `[tool.NAME]`. A file without a table `tool` is another program's, and describes nothing.
///
/// # Errors
/// Every error in the file, which is called `name` there.
pub(crate) fn read_companion(
    name: &str,
    text: &str,
) -> Result<BTreeMap<String, ToolConfig>, Vec<ConfigError>> {
    let source = Rc::new(Source {
        name: name.to_owned(),
        text,
        base: PathBuf::new(),
        errors: RefCell::default(),
        value_files: RefCell::default(),
        // The author of a component must not read the secrets of its operator.
        may_refer: false,
    });
    let mut tools = BTreeMap::new();
    match DeTable::parse(text) {
        Ok(table) if table.get_ref().contains_key("tool") => {
            let root = Section::root(table.get_ref(), source.clone());
            for (name, tool) in root.named_tables("tool") {
                tools.insert(name, read_description(tool));
            }
            root.finish();
        }
        Ok(_) => {}
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            source.error(offset, error.message());
        }
    }
    let errors = source.errors.take();
    match errors.is_empty() {
        true => Ok(tools),
        false => Err(errors),
    }
}
