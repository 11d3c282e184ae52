//! The JSON format of the log: one object per event, with the fields of the event and those of its spans.

use std::error::Error;
use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::event_time::EventTime;
use super::fields::{LOG_TARGET, is_plain, value_text};
use crate::text::error_chain;

/// Formats events. The fields of an event are members of the object itself.
pub(super) struct JsonEvents;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for JsonEvents {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        EventTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut fields = JsonVisitor::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let target = fields.0.shift_remove(LOG_TARGET);

        let mut object = Map::new();
        object.insert("timestamp".into(), timestamp.into());
        object.insert("level".into(), metadata.level().as_str().into());
        for (name, value) in fields.0 {
            object.entry(name).or_insert(value);
        }
        let target = target.unwrap_or_else(|| metadata.target().into());
        object.insert("target".into(), target);
        let spans = context.event_scope().into_iter();
        let spans: Vec<_> = spans.flat_map(|scope| scope.from_root()).collect();
        let spans: Vec<_> = spans.iter().map(span_object).collect();
        if let Some(current) = spans.last() {
            object.insert("span".into(), current.clone());
            object.insert("spans".into(), spans.into());
        }
        writeln!(writer, "{}", Value::Object(object))
    }
}

fn span_object<S: for<'a> LookupSpan<'a>>(span: &SpanRef<'_, S>) -> Value {
    let extensions = span.extensions();
    let fields = extensions.get::<FormattedFields<JsonFields>>();
    let mut object = fields.map(parse).unwrap_or_default();
    object.insert("name".into(), span.name().into());
    Value::Object(object)
}

/// Parses the fields of a span, which [`JsonFields`] has formatted.
fn parse(fields: &FormattedFields<JsonFields>) -> Map<String, Value> {
    serde_json::from_str(&fields.fields).unwrap_or_default()
}

/// Formats the fields of a span as a JSON object.
pub(super) struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = JsonVisitor::default();
        fields.record(&mut visitor);
        write!(writer, "{}", Value::Object(visitor.0))
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut visitor = JsonVisitor(parse(current));
        fields.record(&mut visitor);
        current.fields = Value::Object(visitor.0).to_string();
        Ok(())
    }
}

#[derive(Default)]
struct JsonVisitor(Map<String, Value>);

impl JsonVisitor {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        if name == LOG_TARGET || !name.starts_with("log.") {
            let name = name.strip_prefix("r#").unwrap_or(name);
            self.0.insert(name.to_owned(), value.into());
        }
    }
}

impl Visit for JsonVisitor {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if is_plain(value) {
            self.insert(field, value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", error_chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, value_text(value));
    }
}
