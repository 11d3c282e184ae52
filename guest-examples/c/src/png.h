/* A writer for square black-and-white PNG images (ISO/IEC 15948). */
#ifndef PNG_H
#define PNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
} png_buffer;

/* Returns whether a pixel is black. */
typedef bool (*png_pixel)(const void *picture, int x, int y);

/* Writes an image of `side` by `side` pixels. The caller frees the bytes. */
png_buffer png_write(int side, png_pixel is_black, const void *picture);

#endif
