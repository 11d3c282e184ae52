//! The contract's records as the canonical ABI lays them out in a guest's memory.

use super::{Audience, Block, Reply, Tool};

/// Where the data begins; below it are the prelude's places.
pub(super) const START: usize = 40_960;

/// What the guest's memory holds at the start.
#[derive(Clone, Default)]
pub(super) struct Layout {
    data: Vec<u8>,
}

/// One record in the making.
struct Record(Vec<u8>);

impl Layout {
    /// The first address behind the data.
    pub(super) fn end(&self) -> usize {
        (START + self.data.len()).next_multiple_of(8)
    }

    /// As the string of a data segment.
    pub(super) fn escaped(&self) -> String {
        self.data
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect()
    }

    /// Puts bytes into memory: their address.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> usize {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let at = START + self.data.len();
        self.data.extend_from_slice(bytes);
        at
    }

    /// The list of definitions: the address of its address and length.
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
            let mut icons = Vec::new();
            for icon in &tool.icons {
                let mut below = Record::new(28);
                self.string(&mut below, 0, &icon.src);
                self.optional(&mut below, 8, icon.media_type.as_deref());
                let mut sizes = Vec::new();
                for size in &icon.sizes {
                    let mut pair = Record::new(8);
                    self.string(&mut pair, 0, size);
                    sizes.extend(pair.0);
                }
                self.list(&mut below, 20, &sizes, icon.sizes.len());
                icons.extend(below.0);
            }
            self.list(&mut record, 60, &icons, tool.icons.len());
            self.optional(&mut record, 68, tool.meta.as_deref());
            records.extend(record.0);
        }
        let mut list = Record::new(8);
        self.list(&mut list, 0, &records, tools.len());
        self.bytes(&list.0)
    }

    /// `ok(complete(output))`
    pub(super) fn reply(&mut self, reply: &Reply<'_>) -> usize {
        let mut contents = Vec::new();
        for (block, audience) in &reply.content {
            let mut content = Record::new(112);
            self.block(&mut content, block);
            if let Some(audience) = audience {
                content.byte(80, 1);
                self.audience(&mut content, 84, audience);
            }
            contents.extend(content.0);
        }
        let mut result = Record::new(40);
        self.list(&mut result, 8, &contents, reply.content.len());
        self.optional(&mut result, 16, reply.structured);
        self.optional(&mut result, 28, reply.meta);
        self.bytes(&result.0)
    }

    /// `ok(input-required(questions))`
    pub(super) fn questions(&mut self, asked: &[[&str; 3]], state: Option<&str>) -> usize {
        let mut questions = Vec::new();
        for question in asked {
            let mut record = Record::new(24);
            for (index, text) in question.iter().enumerate() {
                self.string(&mut record, 8 * index, text);
            }
            questions.extend(record.0);
        }
        let mut result = Record::new(40);
        result.byte(4, 1);
        self.list(&mut result, 8, &questions, asked.len());
        self.optional(&mut result, 16, state);
        self.bytes(&result.0)
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
                if let Some(size) = link.size {
                    content.byte(64, 1);
                    content.0[72..80].copy_from_slice(&size.to_le_bytes());
                }
            }
            Block::EmbeddedText(uri, media_type, text) => {
                self.embedded(content, uri, *media_type, 0, text.as_bytes());
            }
            Block::EmbeddedBinary(uri, media_type, bytes) => {
                self.embedded(content, uri, *media_type, 1, bytes);
            }
        }
    }

    fn embedded(
        &mut self,
        content: &mut Record,
        uri: &str,
        media_type: Option<&str>,
        kind: u8,
        body: &[u8],
    ) {
        content.byte(0, 4);
        self.string(content, 8, uri);
        self.optional(content, 16, media_type);
        content.byte(28, kind);
        self.string(content, 32, body);
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
}
