/* Makes QR codes (ISO/IEC 18004), versions 1 to 40. */
#ifndef QR_H
#define QR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QR_SIZE_MAX 177

/* How much of the code may be damaged: 7, 15, 25 or 30 per cent. */
typedef enum { QR_LOW, QR_MEDIUM, QR_QUARTILE, QR_HIGH } qr_level;

typedef struct {
    int version;
    int size; /* modules on each side */
    bool dark[QR_SIZE_MAX][QR_SIZE_MAX];
} qr_code;

/* Encodes the bytes in the smallest version that holds them. False if none does. */
bool qr_encode(const uint8_t *bytes, size_t length, qr_level level, qr_code *code);

#endif
