//! The JSON Schemas of the two tools.

pub const JQ_INPUT: &str = r#"{
  "type": "object",
  "properties": {
    "filter": {
      "type": "string", "minLength": 1, "maxLength": 8192,
      "description": "The jq filter, such as `.items[] | select(.price > 10) | .name`"
    },
    "input": { "description": "The JSON value that the filter gets as `.`" },
    "variables": {
      "type": "object",
      "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
      "description": "Values that the filter can use as `$name`"
    }
  },
  "required": ["filter", "input"],
  "additionalProperties": false
}"#;

pub const JQ_OUTPUT: &str = r#"{
  "type": "object",
  "properties": {
    "results": { "type": "array", "description": "Every value that the filter produced, in order" },
    "truncated": { "type": "boolean", "description": "Whether further results were left out" }
  },
  "required": ["results", "truncated"],
  "additionalProperties": false
}"#;

pub const JQ_EACH_INPUT: &str = r#"{
  "type": "object",
  "properties": {
    "filter": {
      "type": "string", "minLength": 1, "maxLength": 8192,
      "description": "The jq filter, such as `{id, total: (.lines | map(.price) | add)}`"
    },
    "inputs": {
      "type": "array", "maxItems": 10000,
      "description": "The JSON values; the filter gets one after the other as `.`"
    },
    "variables": {
      "type": "object",
      "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
      "description": "Values that the filter can use as `$name`"
    }
  },
  "required": ["filter", "inputs"],
  "additionalProperties": false
}"#;

pub const JQ_EACH_OUTPUT: &str = r#"{
  "type": "object",
  "properties": {
    "items": {
      "type": "array",
      "description": "One entry for each input, in the same order",
      "items": {
        "type": "object",
        "properties": {
          "results": { "type": "array", "description": "What the filter produced for this input" },
          "error": { "type": "string", "description": "Why it failed for this input" }
        },
        "required": ["results"],
        "additionalProperties": false
      }
    },
    "failed": { "type": "integer", "minimum": 0, "description": "For how many inputs the filter failed" }
  },
  "required": ["items", "failed"],
  "additionalProperties": false
}"#;
