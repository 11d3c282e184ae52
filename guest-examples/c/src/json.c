#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Larger than any valid argument, and small enough that later arithmetic cannot overflow. */
#define MAX_NUMBER 1000000000L

static bool read_string(json_reader *reader, json_text *out);
static bool read_number(json_reader *reader, long *out);

static void skip_space(json_reader *reader) {
    while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4)) reader->at++;
}

/* Skips white space and consumes `c`. Returns false if another character follows. */
static bool take(json_reader *reader, char c) {
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

bool json_enter(json_reader *reader, const char *text, size_t length) {
    reader->at = text;
    reader->end = text + length;
    return take(reader, '{');
}

json_step json_next(json_reader *reader, json_text *name, json_value *value) {
    if (take(reader, '}')) return JSON_END;
    /* A missing comma is ignored: the host has validated the syntax, so the reader only needs to be memory-safe. */
    take(reader, ',');
    if (!take(reader, '"') || !read_string(reader, name) || !take(reader, ':')) return JSON_BAD;
    if (take(reader, '"')) {
        value->kind = JSON_STRING;
        return read_string(reader, &value->string) ? JSON_MEMBER : JSON_BAD;
    }
    value->kind = JSON_NUMBER;
    return read_number(reader, &value->number) ? JSON_MEMBER : JSON_BAD;
}

static bool read_hex4(json_reader *reader, uint32_t *out) {
    if (reader->end - reader->at < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = *reader->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        else return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t point) {
    if (point < 0x80) {
        *to++ = (char)point;
        return to;
    }
    int rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3; /* bytes after the first */
    static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    *to++ = (char)(lead[rest] | point >> 6 * rest);
    while (rest-- > 0) *to++ = (char)(0x80 | (point >> 6 * rest & 0x3F));
    return to;
}

/* Reads an escape after `\u`. Rejects a lone surrogate, which UTF-8 cannot encode. */
static bool read_unicode(json_reader *reader, uint32_t *point) {
    if (!read_hex4(reader, point)) return false;
    if (*point < 0xD800 || *point > 0xDFFF) return true;
    uint32_t low;
    if (*point > 0xDBFF || reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u') return false;
    reader->at += 2;
    if (!read_hex4(reader, &low) || low < 0xDC00 || low > 0xDFFF) return false;
    *point = 0x10000 + ((*point - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

/* Reads a string after its opening quote, including the closing one. */
static bool read_string(json_reader *reader, json_text *out) {
    char *to = out->bytes = malloc(reader->end - reader->at + 1); /* no escape is shorter than its UTF-8 encoding */
    if (!to) abort();
    while (reader->at < reader->end) {
        char c = *reader->at++;
        if (c == '"') {
            *to = '\0';
            out->length = to - out->bytes;
            return true;
        }
        if (c != '\\') {
            *to++ = c;
            continue;
        }
        if (reader->at == reader->end) return false;
        uint32_t point;
        switch (c = *reader->at++) {
            case '"': case '\\': case '/': *to++ = c; break;
            case 'b': *to++ = '\b'; break;
            case 'f': *to++ = '\f'; break;
            case 'n': *to++ = '\n'; break;
            case 'r': *to++ = '\r'; break;
            case 't': *to++ = '\t'; break;
            case 'u':
                if (!read_unicode(reader, &point)) return false;
                to = put_utf8(to, point);
                break;
            default: return false;
        }
    }
    return false;
}

/* Reads an integer. JSON may also represent it as `8.0`. */
static bool read_number(json_reader *reader, long *out) {
    bool negative = take(reader, '-');
    const char *start = reader->at;
    long number = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        number = number * 10 + (*reader->at++ - '0');
        if (number > MAX_NUMBER) return false;
    }
    if (reader->at == start) return false;
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        while (reader->at < reader->end && *reader->at == '0') reader->at++;
    }
    *out = negative ? -number : number;
    /* Rejects other fractions and exponents, such as `.5` or `e3`. */
    skip_space(reader);
    return reader->at < reader->end && (*reader->at == ',' || *reader->at == '}');
}
