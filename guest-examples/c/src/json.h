/* A reader for the arguments of a call: a flat JSON object with string and integer values. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *at;
    const char *end;
} json_reader;

typedef struct {
    char *bytes; /* UTF-8, allocated, terminated by a NUL that `length` does not include */
    size_t length;
} json_text;

typedef struct {
    enum { JSON_STRING, JSON_NUMBER } kind;
    json_text string; /* set for JSON_STRING */
    long number;      /* set for JSON_NUMBER */
} json_value;

typedef enum { JSON_MEMBER, JSON_END, JSON_BAD } json_step;

/* Starts to read an object. Returns false if the text does not start with one. */
bool json_enter(json_reader *reader, const char *text, size_t length);

/* Reads the next member of the object. Returns JSON_BAD for malformed JSON and for values of other types. */
json_step json_next(json_reader *reader, json_text *name, json_value *value);

#endif
