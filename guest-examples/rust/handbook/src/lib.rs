//! A component without tools: the chapters of a handbook as resources, a prompt that answers from them, and completions
//! of their names.

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package example:handbook;
            world handbook {
                include toolcrib:mcp/resource-component@0.1.1;
                include toolcrib:mcp/prompt-component@0.1.1;
                include toolcrib:mcp/completion-component@0.1.1;
            }
        ",
        generate_all,
    });
}

use bindings::exports::toolcrib::mcp::{completions, prompts, resources};
use bindings::toolcrib::mcp::types::{Block, Body, Content, Embedded, Error, Role};

struct Handbook;

bindings::export!(Handbook with_types_in bindings);

const INDEX_URI: &str = "handbook://index";
/// URI prefix of a chapter, followed by its name.
const CHAPTER_URI_PREFIX: &str = "handbook://chapters/";
const MARKDOWN: &str = "text/markdown";

/// Name and text of each chapter.
const CHAPTERS: [(&str, &str); 3] = [
    ("expenses", include_str!("../chapters/expenses.md")),
    ("security", include_str!("../chapters/security.md")),
    ("time-off", include_str!("../chapters/time-off.md")),
];

impl resources::Guest for Handbook {
    /// Lists only the index, because chapters may come and go.
    fn resources() -> Vec<resources::Resource> {
        vec![resources::Resource {
            uri: INDEX_URI.into(),
            name: "index".into(),
            title: Some("Handbook".into()),
            description: Some("The chapters of the handbook, with their URIs.".into()),
            media_type: Some(MARKDOWN.into()),
            size: Some(index().len() as u64),
            icons: Vec::new(),
            audience: None,
            meta: None,
        }]
    }

    fn templates() -> Vec<resources::Template> {
        vec![resources::Template {
            uri_template: format!("{CHAPTER_URI_PREFIX}{{name}}"),
            name: "chapter".into(),
            title: Some("Chapter".into()),
            description: Some("One chapter of the handbook.".into()),
            media_type: Some(MARKDOWN.into()),
            icons: Vec::new(),
            audience: None,
            meta: None,
        }]
    }

    /// The host calls this only for the index and for URIs that match the template.
    fn read(request: resources::Request) -> Result<resources::Outcome, resources::Error> {
        let text = match request.uri.strip_prefix(CHAPTER_URI_PREFIX) {
            Some(name) => chapter(name).ok_or(resources::Error::NotFound)?.to_owned(),
            None => index(),
        };
        Ok(resources::Outcome::Complete(vec![embedded(request.uri, text)]))
    }
}

impl prompts::Guest for Handbook {
    fn definitions() -> Vec<prompts::Definition> {
        let argument = |name: &str, description: &str, required| prompts::Argument {
            name: name.into(),
            title: None,
            description: Some(description.into()),
            required,
        };
        vec![prompts::Definition {
            name: "ask_handbook".into(),
            title: Some("Ask the handbook".into()),
            description: Some("Answers a question from the handbook alone.".into()),
            arguments: vec![
                argument("question", "What you want to know", true),
                argument("chapter", "The chapter to look in; all of them without it", false),
            ],
            icons: Vec::new(),
            meta: None,
        }]
    }

    /// The host has verified that all required arguments are present, and that none is unknown.
    fn get(request: prompts::Request) -> Result<prompts::Outcome, Error> {
        let argument = |wanted: &str| {
            let found = request.arguments.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let question = argument("question").ok_or_else(|| Error::InvalidArguments("ask a question".into()))?;
        let chapters = match argument("chapter") {
            None => CHAPTERS.to_vec(),
            Some(name) => match chapter(name) {
                Some(text) => vec![(name, text)],
                None => return Err(Error::InvalidArguments(format!("there is no chapter `{name}`"))),
            },
        };
        let chapters = chapters.into_iter();
        let mut messages: Vec<_> = chapters
            .map(|(name, text)| message(Block::Embedded(embedded(format!("{CHAPTER_URI_PREFIX}{name}"), text.into()))))
            .collect();
        messages.push(message(Block::Text(format!(
            "Answer from the handbook above alone, and name the chapter. If it does not say, say so.\n\n{question}"
        ))));
        Ok(prompts::Outcome::Complete(prompts::Prompt { description: None, messages, meta: None }))
    }
}

impl completions::Guest for Handbook {
    /// Completes chapter names: the argument `chapter` of the prompt, and `name` of the template.
    fn complete(request: completions::Request) -> Result<completions::Completion, Error> {
        let names = CHAPTERS.map(|(name, _)| name).into_iter();
        let values: Vec<String> = match request.argument.as_str() {
            "chapter" | "name" => names.filter(|name| name.starts_with(&request.value)).map(Into::into).collect(),
            _ => Vec::new(),
        };
        Ok(completions::Completion { total: Some(values.len() as u32), values, has_more: false })
    }
}

fn chapter(name: &str) -> Option<&'static str> {
    CHAPTERS.iter().find(|(chapter, _)| *chapter == name).map(|(_, text)| *text)
}

/// Returns a Markdown list of the chapters.
fn index() -> String {
    let line = |(name, text): &(&str, &str)| {
        let title = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
        format!("- [{title}]({CHAPTER_URI_PREFIX}{name})\n")
    };
    CHAPTERS.iter().map(line).collect()
}

fn embedded(uri: String, text: String) -> Embedded {
    Embedded { uri, media_type: Some(MARKDOWN.into()), body: Body::Text(text) }
}

fn message(block: Block) -> prompts::Message {
    prompts::Message { role: Role::User, content: Content { block, audience: None } }
}
