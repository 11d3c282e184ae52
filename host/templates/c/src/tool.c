/* The tool `count_words`. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tool_component.h"

static const char input_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"text\":{\"type\":\"string\",\"maxLength\":1000000,\"description\":\"The text\"}},"
    "\"required\":[\"text\"],\"additionalProperties\":false}";

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{\"words\":{\"type\":\"integer\"},\"lines\":{\"type\":\"integer\"},"
    "\"characters\":{\"type\":\"integer\",\"description\":\"Without spaces and line breaks\"}},"
    "\"required\":[\"words\",\"lines\",\"characters\"],\"additionalProperties\":false}";

/* Allocates zeroed memory. The generated code frees all parts of a result, so each must be allocated. */
static void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (!memory) abort();
    return memory;
}

void exports_toolcrib_mcp_tool_definitions(exports_toolcrib_mcp_tool_list_definition_t *list) {
    list->len = 1;
    list->ptr = allocate(sizeof *list->ptr);
    tool_component_string_dup(&list->ptr->name, "count_words");
    tool_component_string_dup(&list->ptr->description,
                              "Counts the words, lines and characters of a text. Use it instead of counting by hand.");
    tool_component_string_dup(&list->ptr->input_schema, input_schema);
    list->ptr->output_schema.is_some = true;
    tool_component_string_dup(&list->ptr->output_schema.val, output_schema);
}

/* Finds the argument `text`. The host has compared the arguments with the schema. */
static bool read_text(const exports_toolcrib_mcp_tool_request_t *request, json_text *text) {
    json_reader reader;
    json_text name;
    json_value value = {0};
    if (!json_enter(&reader, (const char *)request->arguments.ptr, request->arguments.len)) return false;
    while (json_next(&reader, &name, &value) == JSON_MEMBER) {
        if (name.length == 4 && memcmp(name.bytes, "text", 4) == 0 && value.kind == JSON_STRING) {
            *text = value.string;
            return true;
        }
    }
    return false;
}

static bool reject_arguments(exports_toolcrib_mcp_tool_error_t *error, const char *message) {
    error->tag = TOOLCRIB_MCP_TYPES_ERROR_INVALID_ARGUMENTS;
    tool_component_string_dup(&error->val.invalid_arguments, message);
    return false;
}

bool exports_toolcrib_mcp_tool_call(exports_toolcrib_mcp_tool_request_t *request,
                                    exports_toolcrib_mcp_tool_outcome_t *outcome,
                                    exports_toolcrib_mcp_tool_error_t *error) {
    json_text text = {0};
    if (!read_text(request, &text)) return reject_arguments(error, "the argument text is missing");

    size_t words = 0, lines = 0, characters = 0;
    bool in_word = false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        bool is_space = isspace(byte);
        if (!is_space && !in_word) words++;
        in_word = !is_space;
        if (byte == '\n' || i == text.length - 1) lines++;
        /* Bytes that continue a character of UTF-8 do not count. */
        if (!is_space && (byte & 0xc0) != 0x80) characters++;
    }
    if (words == 0) return reject_arguments(error, "the text has no words");

    char json[120];
    snprintf(json, sizeof json, "{\"words\":%zu,\"lines\":%zu,\"characters\":%zu}", words, lines, characters);
    *outcome = (exports_toolcrib_mcp_tool_outcome_t){.tag = TOOLCRIB_MCP_TYPES_OUTCOME_COMPLETE};
    toolcrib_mcp_types_content_t *content = allocate(sizeof *content);
    content->block.tag = TOOLCRIB_MCP_TYPES_BLOCK_TEXT;
    tool_component_string_dup(&content->block.val.text, json);
    outcome->val.complete.content.ptr = content;
    outcome->val.complete.content.len = 1;
    outcome->val.complete.structured.is_some = true;
    tool_component_string_dup(&outcome->val.complete.structured.val, json);
    return true;
}
