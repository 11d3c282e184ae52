/* The tool `qr_code`: encodes a text as a QR code and returns a PNG image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "png.h"
#include "qr.h"
#include "tool_component.h"

/* Short names for the generated types. */
typedef exports_toolcrib_mcp_tool_list_definition_t definitions_t;
typedef exports_toolcrib_mcp_tool_request_t request_t;
typedef exports_toolcrib_mcp_tool_outcome_t outcome_t;
typedef exports_toolcrib_mcp_tool_error_t error_t;

#define MAX_SCALE 20
#define MAX_BORDER 16

static const char input_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":7089,"
    "\"description\":\"What the code says, such as a web address. At most 2953 bytes, or 4296 characters of "
    "0-9 A-Z $%*+-./: and space, or 7089 digits; less with more error correction\"},"
    "\"error_correction\":{\"type\":\"string\",\"enum\":[\"low\",\"medium\",\"quartile\",\"high\"],"
    "\"default\":\"medium\",\"description\":\"How much may be damaged or covered: about 7, 15, 25 or 30 per cent\"},"
    "\"scale\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":20,\"default\":8,"
    "\"description\":\"Pixels for each module (the small squares)\"},"
    "\"border\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":16,\"default\":4,"
    "\"description\":\"White modules around the code; readers want 4\"}},"
    "\"required\":[\"text\"],\"additionalProperties\":false}";

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"version\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":40},"
    "\"modules\":{\"type\":\"integer\",\"description\":\"Modules on each side, without the border\"},"
    "\"pixels\":{\"type\":\"integer\",\"description\":\"Pixels on each side of the picture\"}},"
    "\"required\":[\"version\",\"modules\",\"pixels\"],\"additionalProperties\":false}";

typedef struct {
    json_text text;
    qr_level level;
    int scale;
    int border;
} arguments_t;

/* Allocates zeroed memory. The generated code frees all parts of a result, so each must be allocated. */
static void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (!memory) abort();
    return memory;
}

static void some_string(tool_component_option_string_t *option, const char *text) {
    option->is_some = true;
    tool_component_string_dup(&option->val, text);
}

void exports_toolcrib_mcp_tool_definitions(definitions_t *list) {
    list->len = 1;
    list->ptr = allocate(sizeof *list->ptr);
    tool_component_string_dup(&list->ptr->name, "qr_code");
    some_string(&list->ptr->title, "QR code");
    tool_component_string_dup(&list->ptr->description,
                              "Makes a QR code of a text, a web address for example, and returns it as a PNG picture. "
                              "The smallest code that holds the text is chosen.");
    tool_component_string_dup(&list->ptr->input_schema, input_schema);
    list->ptr->output_schema.is_some = true;
    tool_component_string_dup(&list->ptr->output_schema.val, output_schema);
    list->ptr->annotations.is_some = true;
    list->ptr->annotations.val = (toolcrib_mcp_types_annotations_t){
        .read_only = {true, true},
        .destructive = {true, false},
        .idempotent = {true, true},
        .open_world = {true, false},
    };
}

static bool equals(json_text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

static bool read_level(json_text text, qr_level *level) {
    static const char *const names[] = {"low", "medium", "quartile", "high"};
    for (int i = 0; i < 4; i++) {
        if (!equals(text, names[i])) continue;
        *level = (qr_level)i;
        return true;
    }
    return false;
}

static bool read_range(const json_value *value, long least, long most, int *out) {
    *out = (int)value->number;
    return value->kind == JSON_NUMBER && value->number >= least && value->number <= most;
}

/* Reads the arguments. Returns an error message, or NULL on success. */
static const char *read_arguments(const request_t *request, arguments_t *out) {
    *out = (arguments_t){.level = QR_MEDIUM, .scale = 8, .border = 4};
    json_reader reader;
    json_text name;
    json_value value = {0};
    json_step step = JSON_BAD;
    if (json_enter(&reader, (const char *)request->arguments.ptr, request->arguments.len)) {
        while ((step = json_next(&reader, &name, &value)) == JSON_MEMBER) {
            if (equals(name, "text") && value.kind == JSON_STRING) {
                out->text = value.string;
            } else if (equals(name, "error_correction") && value.kind == JSON_STRING) {
                if (!read_level(value.string, &out->level)) return "error_correction is low, medium, quartile or high";
            } else if (equals(name, "scale")) {
                if (!read_range(&value, 1, MAX_SCALE, &out->scale)) return "scale is a whole number from 1 to 20";
            } else if (equals(name, "border")) {
                if (!read_range(&value, 0, MAX_BORDER, &out->border)) return "border is a whole number from 0 to 16";
            } else {
                step = JSON_BAD;
                break;
            }
        }
    }
    if (step == JSON_BAD) return "the arguments are text, error_correction (texts), scale and border (whole numbers)";
    if (out->text.length == 0) return "text is missing or empty";
    return NULL;
}

typedef struct {
    const qr_code *code;
    int scale;
    int border;
} picture_t;

static bool is_black(const void *context, int x, int y) {
    const picture_t *picture = context;
    x = x / picture->scale - picture->border;
    y = y / picture->scale - picture->border;
    int size = picture->code->size;
    return x >= 0 && y >= 0 && x < size && y < size && picture->code->dark[y][x];
}

static bool reject_arguments(error_t *error, const char *message) {
    error->tag = TOOLCRIB_MCP_TYPES_ERROR_INVALID_ARGUMENTS;
    tool_component_string_dup(&error->val.invalid_arguments, message);
    return false;
}

/* Ignores `request->tool`: the component has one tool, and the host calls only tools that it defines. */
bool exports_toolcrib_mcp_tool_call(request_t *request, outcome_t *outcome, error_t *error) {
    arguments_t arguments;
    const char *problem = read_arguments(request, &arguments);
    if (problem) return reject_arguments(error, problem);

    static qr_code code; /* too large for the stack */
    if (!qr_encode((const uint8_t *)arguments.text.bytes, arguments.text.length, arguments.level, &code)) {
        return reject_arguments(error, "text is too long for a QR code: shorten it or ask for less error_correction");
    }
    picture_t picture = {&code, arguments.scale, arguments.border};
    int pixels = (code.size + 2 * arguments.border) * arguments.scale;
    png_buffer png = png_write(pixels, is_black, &picture);

    char line[120];
    toolcrib_mcp_types_content_t *content = allocate(2 * sizeof *content);
    content[0].block.tag = TOOLCRIB_MCP_TYPES_BLOCK_IMAGE;
    content[0].block.val.image.data = (tool_component_list_u8_t){png.bytes, png.length};
    tool_component_string_dup(&content[0].block.val.image.media_type, "image/png");
    content[1].block.tag = TOOLCRIB_MCP_TYPES_BLOCK_TEXT;
    snprintf(line, sizeof line, "QR code of version %d with %d by %d modules, %d by %d pixels", code.version, code.size,
             code.size, pixels, pixels);
    tool_component_string_dup(&content[1].block.val.text, line);

    *outcome = (outcome_t){.tag = TOOLCRIB_MCP_TYPES_OUTCOME_COMPLETE};
    outcome->val.complete.content.ptr = content;
    outcome->val.complete.content.len = 2;
    outcome->val.complete.structured.is_some = true;
    snprintf(line, sizeof line, "{\"version\":%d,\"modules\":%d,\"pixels\":%d}", code.version, code.size, pixels);
    tool_component_string_dup(&outcome->val.complete.structured.val, line);
    return true;
}
