//! Resources and resource templates: their definitions, checked.

use std::collections::BTreeSet;

use super::rules::{DefinitionError, PartChecker, check_count, unless_errors};
use super::uri_template::ResourceTemplate;
use crate::component::contract::{Resource, Template};

/// Maximum number of resources that one component announces individually.
const MAX_RESOURCES: usize = 10_000;
/// Maximum number of resource templates of one component. Finding the template of a URI may try all of them.
const MAX_TEMPLATES: usize = 100;

/// Checks the definitions of a component's resources and sorts them by URI.
///
/// # Errors
/// All errors of all definitions.
pub(crate) fn check_resources(
    mut resources: Vec<Resource>,
) -> Result<Vec<Resource>, Vec<DefinitionError>> {
    check_count(resources.len(), "resources", MAX_RESOURCES)?;
    let mut errors = Vec::new();
    let mut uris = BTreeSet::new();
    for resource in &resources {
        if !uris.insert(&resource.uri) {
            errors.push(DefinitionError::duplicate("resource", &resource.uri));
        }
        let mut checker = PartChecker::new("resource", &resource.uri, &mut errors);
        checker.uri(&resource.uri);
        checker.label("name", &resource.name);
        checker.title("title", resource.title.as_deref());
        checker.description("description", resource.description.as_deref());
        checker.icons(&resource.icons);
        checker.meta(resource.meta.as_deref());
    }
    resources.sort_by(|a, b| a.uri.cmp(&b.uri));
    unless_errors(errors, resources)
}

/// Checks the definitions of a component's resource templates and sorts them by URI template.
///
/// # Errors
/// All errors of all definitions.
pub(crate) fn check_templates(
    templates: Vec<Template>,
) -> Result<Vec<ResourceTemplate>, Vec<DefinitionError>> {
    check_count(templates.len(), "templates", MAX_TEMPLATES)?;
    let mut errors = Vec::new();
    let mut checked: Vec<ResourceTemplate> = Vec::new();
    for template in templates {
        let uri_template = template.uri_template.clone();
        let mut checker = PartChecker::new("template", &uri_template, &mut errors);
        checker.uri(&uri_template);
        checker.label("name", &template.name);
        checker.title("title", template.title.as_deref());
        checker.description("description", template.description.as_deref());
        checker.icons(&template.icons);
        checker.meta(template.meta.as_deref());
        match ResourceTemplate::new(template) {
            Ok(template) => checked.push(template),
            Err(problem) => checker.report("URI template", problem),
        }
    }
    checked.sort_by(|a, b| a.template.uri_template.cmp(&b.template.uri_template));
    for pair in checked.windows(2) {
        let uri_template = &pair[1].template.uri_template;
        if *uri_template == pair[0].template.uri_template {
            errors.push(DefinitionError::duplicate("template", uri_template));
        }
    }
    unless_errors(errors, checked)
}
