#include "qr.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VERSION 40
#define MAX_CODEWORDS 3706 /* data and error correction codewords of version 40 */
#define MAX_BLOCK_CORRECTION 30

/* ISO/IEC 18004, table 9: error correction codewords per block, and number of blocks, by level and version. */
static const uint8_t block_correction[4][MAX_VERSION] = {
    {7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
     28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
    {10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
     26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28},
    {13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30,
     28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
    {17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28,
     30, 24, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
};
static const uint8_t block_count[4][MAX_VERSION] = {
    {1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8,
     8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25},
    {1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
     17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49},
    {1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20,
     23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68},
    {1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25,
     25, 34, 30, 32, 35, 37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81},
};

/* --- Encoding of the text as bits --- */

typedef enum { NUMERIC, ALPHANUMERIC, BYTES } text_mode;

static const char alphanumerics[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

typedef struct {
    uint8_t bytes[MAX_CODEWORDS];
    int length; /* in bits */
} bit_string;

static void append(bit_string *bits, uint32_t value, int count) {
    for (; count-- > 0; bits->length++) {
        if (value >> count & 1) bits->bytes[bits->length / 8] |= 0x80 >> bits->length % 8;
    }
}

/* Returns the most compact mode that can encode all characters. */
static text_mode choose_mode(const uint8_t *bytes, size_t length) {
    text_mode mode = NUMERIC;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] >= '0' && bytes[i] <= '9') continue;
        if (bytes[i] == 0 || !strchr(alphanumerics, bytes[i])) return BYTES;
        mode = ALPHANUMERIC;
    }
    return mode;
}

/* Returns the width of the character count, in bits. */
static int count_bits(text_mode mode, int version) {
    static const uint8_t widths[3][3] = {{10, 12, 14}, {9, 11, 13}, {8, 16, 16}};
    return widths[mode][version < 10 ? 0 : version < 27 ? 1 : 2];
}

static size_t text_bits(text_mode mode, size_t length) {
    switch (mode) {
        case NUMERIC: return length / 3 * 10 + (length % 3 ? length % 3 * 3 + 1 : 0);
        case ALPHANUMERIC: return length / 2 * 11 + length % 2 * 6;
        default: return length * 8;
    }
}

static uint32_t alphanumeric(uint8_t c) {
    return (uint32_t)(strchr(alphanumerics, c) - alphanumerics);
}

/* Non-ASCII text needs a charset designator: without one, some readers assume Shift JIS instead of UTF-8. */
static bool needs_charset(text_mode mode, const uint8_t *bytes, size_t length) {
    if (mode != BYTES) return false;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] >= 0x80) return true;
    }
    return false;
}

#define CHARSET_BITS 12
/* Appends the designator of UTF-8 (extended channel interpretation 26). */
static void append_charset(bit_string *bits) {
    append(bits, 7, 4);
    append(bits, 26, 8);
}

static void append_text(bit_string *bits, text_mode mode, int version, const uint8_t *bytes, size_t length) {
    append(bits, 1u << mode, 4);
    append(bits, (uint32_t)length, count_bits(mode, version));
    size_t i = 0;
    switch (mode) {
        case NUMERIC:
            while (i < length) {
                uint32_t number = 0;
                int digits = 0;
                for (; digits < 3 && i < length; digits++) number = number * 10 + (bytes[i++] - '0');
                append(bits, number, digits * 3 + 1);
            }
            break;
        case ALPHANUMERIC:
            for (; i + 1 < length; i += 2) append(bits, alphanumeric(bytes[i]) * 45 + alphanumeric(bytes[i + 1]), 11);
            if (i < length) append(bits, alphanumeric(bytes[i]), 6);
            break;
        case BYTES:
            for (; i < length; i++) append(bits, bytes[i], 8);
            break;
    }
}

/* --- Codewords: data, error correction and interleaving --- */

/* Returns the number of codewords in a version, which fill the modules outside of its function patterns. */
static int total_codewords(int version) {
    int modules = (16 * version + 128) * version + 64;
    if (version >= 2) {
        int alignments = version / 7 + 2; /* alignment patterns per side */
        modules -= (25 * alignments - 10) * alignments - 55;
        if (version >= 7) modules -= 2 * 18;
    }
    return modules / 8;
}

static int data_codewords(int version, qr_level level) {
    return total_codewords(version) - block_correction[level][version - 1] * block_count[level][version - 1];
}

/* Multiplies in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t multiply(uint8_t a, uint8_t b) {
    int product = 0;
    for (int bit = 7; bit >= 0; bit--) {
        product = product << 1 ^ (product >> 7) * 0x11D;
        if (b >> bit & 1) product ^= a;
    }
    return (uint8_t)product;
}

/* Computes the coefficients of (x - 2^0)(x - 2^1)..., without the leading one. */
static void generator(uint8_t *coefficients, int degree) {
    memset(coefficients, 0, degree);
    coefficients[degree - 1] = 1;
    uint8_t root = 1;
    for (int i = 0; i < degree; i++, root = multiply(root, 2)) {
        for (int j = 0; j < degree; j++) {
            coefficients[j] = multiply(coefficients[j], root) ^ (j + 1 < degree ? coefficients[j + 1] : 0);
        }
    }
}

/* Computes the Reed-Solomon error correction: the remainder of the data polynomial divided by the generator. */
static void compute_correction(const uint8_t *data, int length, const uint8_t *coefficients, int degree,
                               uint8_t *remainder) {
    memset(remainder, 0, degree);
    for (int i = 0; i < length; i++) {
        uint8_t factor = data[i] ^ remainder[0];
        memmove(remainder, remainder + 1, degree - 1);
        remainder[degree - 1] = 0;
        for (int j = 0; j < degree; j++) remainder[j] ^= multiply(coefficients[j], factor);
    }
}

/*
 * Splits the data into blocks and interleaves their codewords: the first of each block, the second of each block and so
 * on, followed by their error correction in the same order. The last blocks may be one data codeword longer than the
 * first.
 */
static void interleave(const uint8_t *data, int version, qr_level level, uint8_t *codewords) {
    int blocks = block_count[level][version - 1];
    int degree = block_correction[level][version - 1];
    int total = data_codewords(version, level);
    int shorter = total / blocks;
    int longer_from = blocks - total % blocks;

    uint8_t coefficients[MAX_BLOCK_CORRECTION];
    uint8_t remainder[MAX_BLOCK_CORRECTION];
    generator(coefficients, degree);
    const uint8_t *block = data;
    for (int b = 0; b < blocks; b++) {
        int length = shorter + (b >= longer_from);
        for (int i = 0; i < length; i++) {
            int place = i < shorter ? i * blocks + b : shorter * blocks + b - longer_from;
            codewords[place] = block[i];
        }
        compute_correction(block, length, coefficients, degree, remainder);
        for (int i = 0; i < degree; i++) codewords[total + i * blocks + b] = remainder[i];
        block += length;
    }
}

/* --- The symbol --- */

typedef struct {
    qr_code *code;
    bool fixed[QR_MAX_SIZE][QR_MAX_SIZE]; /* part of a function pattern, which has no data and is not masked */
} canvas;

static void fix(canvas *c, int x, int y, bool dark) {
    if (x < 0 || y < 0 || x >= c->code->size || y >= c->code->size) return;
    c->code->dark[y][x] = dark;
    c->fixed[y][x] = true;
}

/* Draws concentric squares, each one module wide. `light` is the bit set of the distances that are light. */
static void fix_squares(canvas *c, int centre_x, int centre_y, int radius, unsigned light) {
    for (int y = -radius; y <= radius; y++) {
        for (int x = -radius; x <= radius; x++) {
            int distance = abs(x) > abs(y) ? abs(x) : abs(y);
            fix(c, centre_x + x, centre_y + y, !(light >> distance & 1));
        }
    }
}

static void fix_alignments(canvas *c) {
    int version = c->code->version;
    if (version == 1) return;
    int count = version / 7 + 2;
    /* Equal spacing, rounded up to an even number. Version 32 is the only exception in the standard's table. */
    int step = version == 32 ? 26 : (version * 4 + count * 2 + 1) / (count * 2 - 2) * 2;
    int at[7] = {6};
    for (int i = count - 1, place = c->code->size - 7; i > 0; i--, place -= step) at[i] = place;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            bool on_finder = (i == 0 && j == 0) || (i == 0 && j == count - 1) || (i == count - 1 && j == 0);
            if (!on_finder) fix_squares(c, at[i], at[j], 2, 1 << 1);
        }
    }
}

/* Returns the BCH code: the remainder of value * x^degree divided by the generator, in GF(2). */
static uint32_t bch(uint32_t value, uint32_t generator_bits, int degree) {
    uint32_t remainder = value << degree;
    for (int bit = 31; bit >= degree; bit--) {
        if (remainder >> bit & 1) remainder ^= generator_bits << (bit - degree);
    }
    return remainder;
}

/* Draws both copies of the format information: level and mask. */
static void fix_format(canvas *c, qr_level level, int mask) {
    static const uint8_t level_bits[4] = {1, 0, 3, 2};
    uint32_t value = level_bits[level] << 3 | mask;
    uint32_t bits = (value << 10 | bch(value, 0x537, 10)) ^ 0x5412;
    int size = c->code->size;
    for (int i = 0; i < 15; i++) {
        bool dark = bits >> i & 1;
        /* The first copy surrounds the top left finder pattern and skips the timing patterns. */
        if (i < 8) fix(c, 8, i < 6 ? i : i + 1, dark);
        else fix(c, i == 8 ? 7 : 14 - i, 8, dark);
        /* The second copy is next to the two other finder patterns. */
        if (i < 8) fix(c, size - 1 - i, 8, dark);
        else fix(c, 8, size - 15 + i, dark);
    }
    fix(c, 8, size - 8, true);
}

static void fix_version(canvas *c) {
    uint32_t version = c->code->version;
    if (version < 7) return;
    uint32_t bits = version << 12 | bch(version, 0x1F25, 12);
    for (int i = 0; i < 18; i++) {
        int along = i / 3, across = c->code->size - 11 + i % 3;
        fix(c, along, across, bits >> i & 1);
        fix(c, across, along, bits >> i & 1);
    }
}

static void fix_patterns(canvas *c, qr_level level) {
    int size = c->code->size;
    /* The timing patterns come first, because the finder patterns cover their ends. */
    for (int i = 0; i < size; i++) {
        fix(c, i, 6, i % 2 == 0);
        fix(c, 6, i, i % 2 == 0);
    }
    fix_squares(c, 3, 3, 4, 1 << 2 | 1 << 4);
    fix_squares(c, size - 4, 3, 4, 1 << 2 | 1 << 4);
    fix_squares(c, 3, size - 4, 4, 1 << 2 | 1 << 4);
    fix_alignments(c);
    fix_version(c);
    fix_format(c, level, 0); /* reserves the modules; the mask is chosen later */
}

/*
 * Places the codewords in columns of two modules, from right to left, alternately upwards and downwards. The column of
 * the timing pattern is skipped.
 */
static void place_codewords(canvas *c, const uint8_t *codewords, int length) {
    int size = c->code->size;
    int bit = 0;
    bool upwards = true;
    for (int right = size - 1; right > 0; right -= 2, upwards = !upwards) {
        if (right == 6) right = 5;
        for (int i = 0; i < size; i++) {
            int y = upwards ? size - 1 - i : i;
            for (int x = right; x >= right - 1; x--) {
                if (c->fixed[y][x] || bit == 8 * length) continue;
                c->code->dark[y][x] = codewords[bit / 8] >> (7 - bit % 8) & 1;
                bit++;
            }
        }
    }
}

static bool is_masked(int mask, int x, int y) {
    switch (mask) {
        case 0: return (x + y) % 2 == 0;
        case 1: return y % 2 == 0;
        case 2: return x % 3 == 0;
        case 3: return (x + y) % 3 == 0;
        case 4: return (x / 3 + y / 2) % 2 == 0;
        case 5: return x * y % 2 + x * y % 3 == 0;
        case 6: return (x * y % 2 + x * y % 3) % 2 == 0;
        default: return ((x + y) % 2 + x * y % 3) % 2 == 0;
    }
}

/* Inverts the modules that the mask selects. Applying a mask twice removes it. */
static void apply_mask(canvas *c, int mask) {
    for (int y = 0; y < c->code->size; y++) {
        for (int x = 0; x < c->code->size; x++) {
            if (!c->fixed[y][x] && is_masked(mask, x, y)) c->code->dark[y][x] ^= true;
        }
    }
}

/* Returns the penalty of one row or column for long runs and for sequences that resemble a finder pattern. */
static int line_penalty(const bool *first, int stride, int size) {
    int penalty = 0, run = 0;
    unsigned window = 0;
    for (int i = 0; i < size; i++) {
        bool dark = first[i * stride];
        run = i > 0 && dark == first[(i - 1) * stride] ? run + 1 : 1;
        if (run == 5) penalty += 3;
        else if (run > 5) penalty += 1;
        window = (window << 1 | dark) & 0x7FF;
        if (i >= 10 && (window == 0x5D0 || window == 0x05D)) penalty += 40;
    }
    return penalty;
}

/* Returns the penalty of the symbol, by the four features of the standard. */
static int symbol_penalty(const qr_code *code) {
    int size = code->size, penalty = 0, dark = 0;
    for (int i = 0; i < size; i++) {
        penalty += line_penalty(&code->dark[i][0], 1, size) + line_penalty(&code->dark[0][i], QR_MAX_SIZE, size);
    }
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            bool module = code->dark[y][x];
            dark += module;
            if (x > 0 && y > 0 && module == code->dark[y - 1][x] && module == code->dark[y][x - 1] &&
                module == code->dark[y - 1][x - 1]) {
                penalty += 3;
            }
        }
    }
    /* The deviation from half dark modules, in twentieths of the area, times the area. */
    int off_half = abs(2 * dark - size * size) * 10;
    return penalty + off_half / (size * size) * 10;
}

static void choose_mask(canvas *c, qr_level level) {
    int best = 0, least = 0;
    for (int mask = 0; mask < 8; mask++) {
        apply_mask(c, mask);
        fix_format(c, level, mask);
        int penalty = symbol_penalty(c->code);
        if (mask == 0 || penalty < least) {
            best = mask;
            least = penalty;
        }
        apply_mask(c, mask);
    }
    apply_mask(c, best);
    fix_format(c, level, best);
}

bool qr_encode(const uint8_t *bytes, size_t length, qr_level level, qr_code *code) {
    text_mode mode = choose_mode(bytes, length);
    bool charset = needs_charset(mode, bytes, length);
    size_t text = text_bits(mode, length) + (charset ? CHARSET_BITS : 0);
    int version = 1;
    while (4 + count_bits(mode, version) + text > 8 * (size_t)data_codewords(version, level)) {
        if (++version > MAX_VERSION) return false;
    }

    int total = data_codewords(version, level);
    bit_string bits = {0};
    if (charset) append_charset(&bits);
    append_text(&bits, mode, version, bytes, length);
    int room = 8 * total - bits.length;
    append(&bits, 0, room < 4 ? room : 4);
    append(&bits, 0, -bits.length & 7);
    for (int padding = 0xEC; bits.length < 8 * total; padding ^= 0xEC ^ 0x11) append(&bits, padding, 8);

    uint8_t codewords[MAX_CODEWORDS];
    interleave(bits.bytes, version, level, codewords);

    memset(code, 0, sizeof *code);
    code->version = version;
    code->size = 17 + 4 * version;
    static canvas c; /* too large for the stack */
    memset(&c, 0, sizeof c);
    c.code = code;
    fix_patterns(&c, level);
    place_codewords(&c, codewords, total_codewords(version));
    choose_mask(&c, level);
    return true;
}
