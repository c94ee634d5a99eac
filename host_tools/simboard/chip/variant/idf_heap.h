// The heap of ESP-IDF as a model: what Wi-Fi, lwIP, TLS, thread stacks and Python's growth share.
//
// Figures are those of ESP32_GENERIC v1.24.0 on an emulated chip, see docs/chip-model.md.
#ifndef SIMBOARD_IDF_HEAP_H
#define SIMBOARD_IDF_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Regions as `esp32.idf_heap_info(esp32.HEAP_DATA)` tells them.
#define IDF_REGIONS (3)

typedef struct {
    size_t total, free, largest, minimum;
} idf_heap_info_t;

// Blocks behave as TLSF's: 4 bytes of header, sizes in multiples of 4, and a request is only
// met by a block whose size class (1/32 of a power of two) holds every block of that size.
void *idf_malloc(size_t size);
void *idf_calloc(size_t count, size_t size);
void idf_free(void *block);
// The bytes that a block was asked for, rounded up.
size_t idf_size(void *block);

// Whether a request could be met.
bool idf_fits(size_t size);

// The largest request that can be met; `heap_caps_get_largest_free_block`.
size_t idf_largest_free_block(void);
size_t idf_free_size(void);
void idf_heap_info(int region, idf_heap_info_t *info);

#endif
