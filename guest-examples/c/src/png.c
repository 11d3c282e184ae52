#include "png.h"

#include <stdlib.h>
#include <string.h>

static void put(png_buffer *to, uint8_t byte) {
    if (to->length == to->capacity) {
        to->capacity = to->capacity ? 2 * to->capacity : 4096;
        to->bytes = realloc(to->bytes, to->capacity);
        if (!to->bytes) abort(); /* traps, which the host reports */
    }
    to->bytes[to->length++] = byte;
}

static void put_be32(png_buffer *to, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) put(to, (uint8_t)(value >> shift));
}

static uint32_t crc32(const uint8_t *bytes, size_t length) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

/* Starts a chunk with a placeholder for its length, and returns its offset for chunk_end. */
static size_t chunk_begin(png_buffer *png, const char *type) {
    size_t start = png->length;
    put_be32(png, 0);
    for (int i = 0; i < 4; i++) put(png, (uint8_t)type[i]);
    return start;
}

static void chunk_end(png_buffer *png, size_t start) {
    uint32_t length = (uint32_t)(png->length - start - 8);
    put_be32(png, crc32(png->bytes + start + 4, length + 4));
    for (int i = 0; i < 4; i++) png->bytes[start + i] = (uint8_t)(length >> (24 - 8 * i));
}

/*
 * An encoder for a zlib stream (RFC 1950, 1951) with a single block of fixed Huffman codes. It only matches runs of one
 * byte: an image of large squares consists of such runs if each row is encoded as its difference from the row above.
 */
typedef struct {
    png_buffer *to;
    uint32_t bits;
    int bit_count;
    uint32_t sum_a, sum_b; /* the halves of the Adler-32 checksum */
    int last;              /* the previous byte; -1 before the first one */
    int run;               /* repetitions of `last` that are not written yet */
} deflater;

/* Writes an integer, its least significant bit first. */
static void put_bits(deflater *z, uint32_t value, int count) {
    z->bits |= value << z->bit_count;
    for (z->bit_count += count; z->bit_count >= 8; z->bit_count -= 8, z->bits >>= 8) put(z->to, (uint8_t)z->bits);
}

/* Writes a Huffman code, its most significant bit first. */
static void put_code(deflater *z, uint32_t code, int count) {
    while (count-- > 0) put_bits(z, code >> count & 1, 1);
}

static void put_symbol(deflater *z, int symbol) {
    if (symbol < 144) put_code(z, 0x30 + symbol, 8);
    else if (symbol < 256) put_code(z, 0x190 + symbol - 144, 9);
    else if (symbol < 280) put_code(z, symbol - 256, 7);
    else put_code(z, 0xC0 + symbol - 280, 8);
}

static void put_match(deflater *z, int length) {
    if (length == 258) {
        put_symbol(z, 285);
    } else if (length < 11) {
        put_symbol(z, 257 + length - 3);
    } else {
        int extra = 1;
        while (length - 3 >= 16 << (extra - 1)) extra++;
        put_symbol(z, 261 + 4 * extra + ((length - 3) >> extra & 3));
        put_bits(z, (length - 3) & ((1 << extra) - 1), extra);
    }
    put_code(z, 0, 5); /* distance 1 */
}

static void flush_run(deflater *z) {
    while (z->run >= 3) {
        int length = z->run < 258 ? z->run : 258;
        put_match(z, length);
        z->run -= length;
    }
    for (; z->run > 0; z->run--) put_symbol(z, z->last);
}

static void deflate_begin(deflater *z, png_buffer *to) {
    *z = (deflater){.to = to, .sum_a = 1, .last = -1};
    put(to, 0x78);
    put(to, 0x01);
    put_bits(z, 1, 1); /* final block */
    put_bits(z, 1, 2); /* fixed Huffman codes */
}

static void deflate_byte(deflater *z, uint8_t byte) {
    z->sum_a = (z->sum_a + byte) % 65521;
    z->sum_b = (z->sum_b + z->sum_a) % 65521;
    if (byte == z->last) {
        z->run++;
        return;
    }
    flush_run(z);
    put_symbol(z, byte);
    z->last = byte;
}

static void deflate_end(deflater *z) {
    flush_run(z);
    put_symbol(z, 256);
    if (z->bit_count > 0) put_bits(z, 0, 8 - z->bit_count);
    put_be32(z->to, z->sum_b << 16 | z->sum_a);
}

png_buffer png_write(int side, png_pixel is_black, const void *picture) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    png_buffer png = {0};
    for (size_t i = 0; i < sizeof signature; i++) put(&png, signature[i]);

    size_t chunk = chunk_begin(&png, "IHDR");
    put_be32(&png, side);
    put_be32(&png, side);
    put(&png, 1);                             /* bit depth */
    for (int i = 0; i < 4; i++) put(&png, 0); /* greyscale, default compression and filter method, no interlacing */
    chunk_end(&png, chunk);

    chunk = chunk_begin(&png, "IDAT");
    deflater z;
    deflate_begin(&z, &png);
    int row_bytes = (side + 7) / 8;
    uint8_t *above = calloc(row_bytes, 1);
    if (!above) abort();
    for (int y = 0; y < side; y++) {
        deflate_byte(&z, 2); /* filter type Up: each byte is the difference from the byte above */
        for (int i = 0; i < row_bytes; i++) {
            uint8_t byte = 0;
            for (int x = 8 * i; x < 8 * i + 8; x++) byte = byte << 1 | (x < side && !is_black(picture, x, y));
            deflate_byte(&z, byte - above[i]);
            above[i] = byte;
        }
    }
    free(above);
    deflate_end(&z);
    chunk_end(&png, chunk);

    chunk_end(&png, chunk_begin(&png, "IEND"));
    return png;
}
