//! The tool `count_words`.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use toolcrib_guest::{Error, Json, tool};

toolcrib_guest::export!(count_words);

#[derive(Serialize, JsonSchema)]
struct Counts {
    words: usize,
    lines: usize,
    /// The most frequent words, in lower case
    most_frequent: Vec<Frequency>,
}

#[derive(Serialize, JsonSchema)]
struct Frequency {
    word: String,
    count: usize,
}

/// Counts the words and lines of a text, and finds its most frequent words. Use it instead of counting by hand.
#[tool(title = "Count words", read_only, idempotent, open_world = false)]
fn count_words(
    /// The text
    #[schemars(length(max = 1_000_000))]
    text: String,
    /// How many of the most frequent words to return
    #[serde(default = "five")]
    #[schemars(range(max = 100))]
    top: usize,
) -> Result<Json<Counts>, Error> {
    let mut frequencies: HashMap<String, usize> = HashMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()) {
        *frequencies.entry(word.to_lowercase()).or_default() += 1;
    }
    if frequencies.is_empty() {
        return Err(Error::invalid_arguments("the text has no words"));
    }
    let words = frequencies.values().sum();
    let mut most_frequent: Vec<_> =
        frequencies.into_iter().map(|(word, count)| Frequency { word, count }).collect();
    most_frequent.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.word.cmp(&b.word)));
    most_frequent.truncate(top);
    Ok(Json(Counts { words, lines: text.lines().count(), most_frequent }))
}

fn five() -> usize {
    5
}
