/* An encoder for QR codes (ISO/IEC 18004), versions 1 to 40. */
#ifndef QR_H
#define QR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QR_MAX_SIZE 177

/* The error correction level: recovers from damage to 7, 15, 25 or 30 per cent of the code. */
typedef enum { QR_LOW, QR_MEDIUM, QR_QUARTILE, QR_HIGH } qr_level;

typedef struct {
    int version;
    int size; /* modules per side */
    bool dark[QR_MAX_SIZE][QR_MAX_SIZE];
} qr_code;

/* Encodes the bytes in the smallest version that has room for them. Returns false if no version has. */
bool qr_encode(const uint8_t *bytes, size_t length, qr_level level, qr_code *code);

#endif
