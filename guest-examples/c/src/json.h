/* Reads the arguments of a call: a JSON object whose values are strings and whole numbers. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *at;
    const char *end;
} json_reader;

typedef struct {
    char *bytes; /* UTF-8, allocated, followed by a NUL that `length` does not count */
    size_t length;
} json_text;

typedef struct {
    enum { JSON_STRING, JSON_NUMBER } kind;
    json_text string; /* of a JSON_STRING */
    long number;      /* of a JSON_NUMBER */
} json_value;

typedef enum { JSON_MEMBER, JSON_END, JSON_BAD } json_step;

/* Enters the object. False if the text does not start one. */
bool json_enter(json_reader *reader, const char *text, size_t length);

/* Reads the next member of the object. JSON_BAD for what is not JSON, and for a value of another kind. */
json_step json_next(json_reader *reader, json_text *name, json_value *value);

#endif
