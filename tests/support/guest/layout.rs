//! The memory of a guest, with the contract's records in the layout of the canonical ABI.

use super::offers::{Document, Family, Filled, Part, Prompt};
use super::{Audience, Block, Icon, Reply, Tool};

/// Start of the data. The prelude uses the memory item it.
pub(super) const START: usize = 40_960;

/// The initial contents of a guest's memory.
#[derive(Clone, Default)]
pub(super) struct Layout {
    data: Vec<u8>,
}

/// The bytes of one record.
struct Record(Vec<u8>);

impl Layout {
    /// Returns the first address after the data.
    pub(super) fn end(&self) -> usize {
        (START + self.data.len()).next_multiple_of(8)
    }

    /// Returns the data as the string literal of a data segment.
    pub(super) fn escaped(&self) -> String {
        self.data
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect()
    }

    /// Stores bytes and returns their address.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> usize {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let at = START + self.data.len();
        self.data.extend_from_slice(bytes);
        at
    }

    /// Stores a list of tool definitions. Returns the address of its pointer and length.
    pub(super) fn definitions(&mut self, tools: &[&Tool]) -> usize {
        let mut records = Vec::new();
        for tool in tools {
            let mut record = Record::new(80);
            self.string(&mut record, 0, &tool.name);
            self.optional(&mut record, 8, tool.title.as_deref());
            self.string(&mut record, 20, &tool.description);
            self.string(&mut record, 28, &tool.input_schema);
            self.optional(&mut record, 36, tool.output_schema.as_deref());
            if let Some(hints) = tool.annotations {
                record.byte(48, 1);
                for (index, hint) in hints.into_iter().enumerate() {
                    if let Some(hint) = hint {
                        record.byte(49 + 2 * index, 1);
                        record.byte(50 + 2 * index, u8::from(hint));
                    }
                }
            }
            self.icons(&mut record, 60, &tool.icons);
            self.optional(&mut record, 68, tool.meta.as_deref());
            records.extend(record.0);
        }
        self.returned_list(&records, tools.len())
    }

    /// Stores `ok(complete(output))`.
    pub(super) fn reply(&mut self, reply: &Reply<'_>) -> usize {
        let mut contents = Vec::new();
        for (block, audience) in &reply.content {
            contents.extend(self.content(block, audience.as_ref()).0);
        }
        let mut result = Record::new(40);
        self.list(&mut result, 8, &contents, reply.content.len());
        self.optional(&mut result, 16, reply.structured);
        self.optional(&mut result, 28, reply.meta);
        self.bytes(&result.0)
    }

    /// Stores a list of resource definitions. Returns the address of its pointer and length.
    pub(super) fn resources(&mut self, resources: &[&Document]) -> usize {
        let mut records = Vec::new();
        for resource in resources {
            let mut record = Record::new(128);
            self.string(&mut record, 0, &resource.uri);
            self.string(&mut record, 8, &resource.name);
            self.optional(&mut record, 16, resource.title.as_deref());
            self.optional(&mut record, 28, resource.description.as_deref());
            self.optional(&mut record, 40, resource.media_type.as_deref());
            record.size(56, resource.size);
            self.icons(&mut record, 72, &resource.icons);
            self.optional_audience(&mut record, 80, resource.audience.as_ref());
            self.optional(&mut record, 112, resource.meta.as_deref());
            records.extend(record.0);
        }
        self.returned_list(&records, resources.len())
    }

    /// Stores a list of resource templates. Returns the address of its pointer and length.
    pub(super) fn templates(&mut self, templates: &[&Family]) -> usize {
        let mut records = Vec::new();
        for template in templates {
            let mut record = Record::new(104);
            self.string(&mut record, 0, &template.uri_template);
            self.string(&mut record, 8, &template.name);
            self.optional(&mut record, 16, template.title.as_deref());
            self.optional(&mut record, 28, template.description.as_deref());
            self.optional(&mut record, 40, template.media_type.as_deref());
            self.icons(&mut record, 52, &template.icons);
            self.optional_audience(&mut record, 60, template.audience.as_ref());
            self.optional(&mut record, 92, template.meta.as_deref());
            records.extend(record.0);
        }
        self.returned_list(&records, templates.len())
    }

    /// Stores a list of prompt definitions. Returns the address of its pointer and length.
    pub(super) fn prompts(&mut self, prompts: &[&Prompt]) -> usize {
        let mut records = Vec::new();
        for prompt in prompts {
            let mut record = Record::new(60);
            self.string(&mut record, 0, &prompt.name);
            self.optional(&mut record, 8, prompt.title.as_deref());
            self.optional(&mut record, 20, prompt.description.as_deref());
            let mut arguments = Vec::new();
            for argument in &prompt.arguments {
                let mut item = Record::new(36);
                self.string(&mut item, 0, &argument.name);
                self.optional(&mut item, 8, argument.title.as_deref());
                self.optional(&mut item, 20, argument.description.as_deref());
                item.byte(32, u8::from(argument.required));
                arguments.extend(item.0);
            }
            self.list(&mut record, 32, &arguments, prompt.arguments.len());
            self.icons(&mut record, 40, &prompt.icons);
            self.optional(&mut record, 48, prompt.meta.as_deref());
            records.extend(record.0);
        }
        self.returned_list(&records, prompts.len())
    }

    /// Stores `ok(complete(list<embedded>))`.
    pub(super) fn parts(&mut self, parts: &[Part<'_>]) -> usize {
        let mut records = Vec::new();
        for part in parts {
            let mut record = Record::new(32);
            let (kind, uri, media_type, body) = match part {
                Part::Text(uri, media_type, text) => (0, uri, media_type, text.as_bytes()),
                Part::Binary(uri, media_type, bytes) => (1, uri, media_type, *bytes),
            };
            self.embedded(&mut record, 0, (uri, *media_type), kind, body);
            records.extend(record.0);
        }
        let mut result = Record::new(28);
        self.list(&mut result, 8, &records, parts.len());
        self.bytes(&result.0)
    }

    /// Stores `ok(complete(prompt))`.
    pub(super) fn filled(&mut self, filled: &Filled<'_>) -> usize {
        let mut messages = Vec::new();
        for (role, block, audience) in &filled.messages {
            messages.extend([*role, 0, 0, 0, 0, 0, 0, 0]);
            messages.extend(self.content(block, audience.as_ref()).0);
        }
        let mut result = Record::new(40);
        self.optional(&mut result, 8, filled.description);
        self.list(&mut result, 20, &messages, filled.messages.len());
        self.optional(&mut result, 28, filled.meta);
        self.bytes(&result.0)
    }

    /// Stores `ok(completion)`.
    pub(super) fn completion(
        &mut self,
        values: &[&str],
        total: Option<u32>,
        has_more: bool,
    ) -> usize {
        let mut result = Record::new(24);
        self.strings(&mut result, 4, values);
        if let Some(total) = total {
            result.byte(12, 1);
            result.word(16, total);
        }
        result.byte(20, u8::from(has_more));
        self.bytes(&result.0)
    }

    /// Stores `ok(input-required(questions))`.
    pub(super) fn questions(&mut self, questions: &[[&str; 3]], state: Option<&str>) -> usize {
        let mut records = Vec::new();
        for question in questions {
            let mut record = Record::new(24);
            for (index, text) in question.iter().enumerate() {
                self.string(&mut record, 8 * index, text);
            }
            records.extend(record.0);
        }
        let mut result = Record::new(40);
        result.byte(4, 1);
        self.list(&mut result, 8, &records, questions.len());
        self.optional(&mut result, 16, state);
        self.bytes(&result.0)
    }

    /// Stores a list and returns the address of its pointer and length.
    fn returned_list(&mut self, records: &[u8], length: usize) -> usize {
        let mut list = Record::new(8);
        self.list(&mut list, 0, records, length);
        self.bytes(&list.0)
    }

    fn icons(&mut self, record: &mut Record, at: usize, icons: &[Icon]) {
        let mut records = Vec::new();
        for icon in icons {
            let mut item = Record::new(28);
            self.string(&mut item, 0, &icon.src);
            self.optional(&mut item, 8, icon.media_type.as_deref());
            self.strings(&mut item, 20, &icon.sizes);
            records.extend(item.0);
        }
        self.list(record, at, &records, icons.len());
    }

    fn content(&mut self, block: &Block<'_>, audience: Option<&Audience<'_>>) -> Record {
        let mut content = Record::new(112);
        self.block(&mut content, block);
        self.optional_audience(&mut content, 80, audience);
        content
    }

    fn block(&mut self, content: &mut Record, block: &Block<'_>) {
        match block {
            Block::Text(text) => self.string(content, 8, text),
            Block::Image(data, media_type) | Block::Audio(data, media_type) => {
                content.byte(
                    0,
                    if matches!(block, Block::Image(..)) {
                        1
                    } else {
                        2
                    },
                );
                self.string(content, 8, data);
                self.string(content, 16, media_type);
            }
            Block::Link(link) => {
                content.byte(0, 3);
                self.string(content, 8, link.uri);
                self.string(content, 16, link.name);
                self.optional(content, 24, link.title);
                self.optional(content, 36, link.description);
                self.optional(content, 48, link.media_type);
                content.size(64, link.size);
            }
            Block::EmbeddedText(uri, media_type, text) => {
                content.byte(0, 4);
                self.embedded(content, 8, (uri, *media_type), 0, text.as_bytes());
            }
            Block::EmbeddedBinary(uri, media_type, bytes) => {
                content.byte(0, 4);
                self.embedded(content, 8, (uri, *media_type), 1, bytes);
            }
        }
    }

    fn embedded(
        &mut self,
        record: &mut Record,
        at: usize,
        (uri, media_type): (&str, Option<&str>),
        kind: u8,
        body: &[u8],
    ) {
        self.string(record, at, uri);
        self.optional(record, at + 8, media_type);
        record.byte(at + 20, kind);
        self.string(record, at + 24, body);
    }

    fn optional_audience(
        &mut self,
        record: &mut Record,
        at: usize,
        audience: Option<&Audience<'_>>,
    ) {
        if let Some(audience) = audience {
            record.byte(at, 1);
            self.audience(record, at + 4, audience);
        }
    }

    fn audience(&mut self, record: &mut Record, at: usize, audience: &Audience<'_>) {
        self.list(record, at, audience.roles, audience.roles.len());
        if let Some(priority) = audience.priority {
            record.byte(at + 8, 1);
            record.word(at + 12, priority.to_bits());
        }
        self.optional(record, at + 16, audience.last_modified);
    }

    fn string(&mut self, record: &mut Record, at: usize, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.list(record, at, text, text.len());
    }

    fn optional(&mut self, record: &mut Record, at: usize, text: Option<&str>) {
        if let Some(text) = text {
            record.byte(at, 1);
            self.string(record, at + 4, text);
        }
    }

    fn strings(&mut self, record: &mut Record, at: usize, texts: &[impl AsRef<[u8]>]) {
        let mut pairs = Vec::new();
        for text in texts {
            let mut pair = Record::new(8);
            self.string(&mut pair, 0, text);
            pairs.extend(pair.0);
        }
        self.list(record, at, &pairs, texts.len());
    }

    fn list(&mut self, record: &mut Record, at: usize, items: &[u8], length: usize) {
        let address = self.bytes(items);
        record.word(at, u32::try_from(address).unwrap());
        record.word(at + 4, u32::try_from(length).unwrap());
    }
}

impl Record {
    fn new(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }

    fn byte(&mut self, at: usize, value: u8) {
        self.0[at] = value;
    }

    fn word(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn size(&mut self, at: usize, size: Option<u64>) {
        if let Some(size) = size {
            self.byte(at, 1);
            self.0[at + 8..at + 16].copy_from_slice(&size.to_le_bytes());
        }
    }
}
