//! Prompts: their definitions, checked.

use std::collections::BTreeSet;

use super::rules::{
    DefinitionError, PartChecker, check_count, display_name, is_tool_name, unless_errors,
};
use crate::component::contract::Prompt;

/// Maximum number of prompts of one component.
const MAX_PROMPTS: usize = 1_000;
/// Maximum number of arguments of one prompt.
const MAX_ARGUMENTS: usize = 64;

/// Checks the definitions of a component's prompts and sorts them by name.
///
/// # Errors
/// All errors of all definitions.
pub(crate) fn check_prompts(mut prompts: Vec<Prompt>) -> Result<Vec<Prompt>, Vec<DefinitionError>> {
    check_count(prompts.len(), "prompts", MAX_PROMPTS)?;
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    for prompt in &prompts {
        if !is_tool_name(&prompt.name) {
            errors.push(DefinitionError::invalid_name("prompt", &prompt.name));
        } else if !names.insert(&prompt.name) {
            errors.push(DefinitionError::duplicate("prompt", &prompt.name));
        }
        check_prompt(
            prompt,
            &mut PartChecker::new("prompt", &prompt.name, &mut errors),
        );
    }
    prompts.sort_by(|a, b| a.name.cmp(&b.name));
    unless_errors(errors, prompts)
}

fn check_prompt(prompt: &Prompt, checker: &mut PartChecker<'_>) {
    checker.title("title", prompt.title.as_deref());
    checker.description("description", prompt.description.as_deref());
    checker.icons(&prompt.icons);
    checker.meta(prompt.meta.as_deref());
    if prompt.arguments.len() > MAX_ARGUMENTS {
        let problem = format!("has more than {MAX_ARGUMENTS} entries");
        checker.report("argument list", problem);
    }
    let mut names = BTreeSet::new();
    for argument in &prompt.arguments {
        checker.label("argument name", &argument.name);
        checker.title("argument title", argument.title.as_deref());
        checker.description("argument description", argument.description.as_deref());
        if !names.insert(&argument.name) {
            let name = display_name(&argument.name);
            checker.report("argument list", format!("has `{name}` twice"));
        }
    }
}
