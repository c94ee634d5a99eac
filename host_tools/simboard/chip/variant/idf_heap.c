// A real allocator over a fixed arena, so that largest block and fragmentation come by themselves.

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "idf_heap.h"

#define HEADER (4)
#define SMALLEST (12)
#define BLOCKS (8192)

// After boot 142,276 bytes are free and the largest request that can be met is 110,592. In every
// state seen some 1,900 bytes are free beside the largest block, and stay so: most of them lie where
// nobody is given any. The second region is where Python's first area lies, too; Wi-Fi fills what is
// left of it. The third is the chip's D/IRAM.
static const size_t region_total[IDF_REGIONS] = {7288, 95000, 113840};
static const size_t region_free[IDF_REGIONS] = {1700, 29976, 110600};
static const bool region_given[IDF_REGIONS] = {false, true, true};

// Blocks of all regions in the order of their addresses. Their list is not in the arena, whose
// bytes are the user's.
typedef struct {
    uint32_t offset, size; // with its header
    uint8_t region;
    bool used;
} block_t;

static uint8_t arena[7288 + 95000 + 113840] __attribute__((aligned(16)));
static block_t blocks[BLOCKS];
static int n_blocks;
static size_t now_free[IDF_REGIONS], least_free[IDF_REGIONS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void set_up(void) {
    uint32_t start = 0;
    for (int region = 0; region < IDF_REGIONS; region++) {
        start += region_total[region] - region_free[region]; // taken before boot.py
        blocks[n_blocks++] = (block_t) {start, region_free[region], region, false};
        start += region_free[region];
        now_free[region] = least_free[region] = region_free[region];
    }
}

static void enter(void) {
    pthread_mutex_lock(&mutex);
    if (n_blocks == 0) {
        set_up();
    }
}

static void leave(void) {
    pthread_mutex_unlock(&mutex);
}

// A block's size class: its size rounded down to 1/32 of a power of two.
static size_t class_of(size_t size) {
    size_t step = 4;
    while (size >= step * 64) {
        step *= 2;
    }
    return size / step * step;
}

static size_t payload(const block_t *block) {
    return block->size > HEADER ? block->size - HEADER : 0;
}

static void insert(int at, block_t block) {
    if (n_blocks == BLOCKS) {
        abort();
    }
    memmove(&blocks[at + 1], &blocks[at], (n_blocks - at) * sizeof(block_t));
    blocks[at] = block;
    n_blocks++;
}

static void *take(int at, size_t size) {
    block_t *block = &blocks[at];
    if (block->size >= size + HEADER + SMALLEST) {
        block_t rest = {block->offset + size, block->size - size, block->region, false};
        block->size = size;
        insert(at + 1, rest);
    }
    block->used = true;
    int region = block->region;
    now_free[region] -= block->size;
    if (now_free[region] < least_free[region]) {
        least_free[region] = now_free[region];
    }
    return &arena[block->offset + HEADER];
}

void *idf_malloc(size_t size) {
    if (size == 0 || size > sizeof(arena)) {
        return NULL;
    }
    size = size < SMALLEST ? SMALLEST : (size + 3) & ~3u;
    enter();
    int best = -1;
    for (int i = 0; i < n_blocks; i++) {
        block_t *block = &blocks[i];
        if (best >= 0 && block->region != blocks[best].region) {
            break; // the first region that can, as heap_caps_malloc does
        }
        if (!block->used && region_given[block->region] && class_of(payload(block)) >= size
            && (best < 0 || class_of(block->size) < class_of(blocks[best].size))) {
            best = i;
        }
    }
    void *result = best < 0 ? NULL : take(best, size + HEADER);
    leave();
    return result;
}

void *idf_calloc(size_t count, size_t size) {
    void *block = idf_malloc(count * size);
    if (block) {
        memset(block, 0, count * size);
    }
    return block;
}

static void join_with_next(int at) {
    block_t *block = &blocks[at], *next = block + 1;
    if (at + 1 < n_blocks && !block->used && !next->used && block->region == next->region) {
        block->size += next->size;
        n_blocks--;
        memmove(next, next + 1, (n_blocks - at - 1) * sizeof(block_t));
    }
}

// The block in use that begins at an address. Abort: freed twice, or not ours.
static int find(void *pointer) {
    uint32_t offset = (uint8_t *)pointer - arena - HEADER;
    int low = 0, high = n_blocks - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (blocks[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    if (blocks[low].offset != offset || !blocks[low].used) {
        abort();
    }
    return low;
}

void idf_free(void *pointer) {
    if (!pointer) {
        return;
    }
    enter();
    int at = find(pointer);
    blocks[at].used = false;
    now_free[blocks[at].region] += blocks[at].size;
    join_with_next(at);
    if (at > 0) {
        join_with_next(at - 1);
    }
    leave();
}

size_t idf_size(void *pointer) {
    enter();
    size_t size = payload(&blocks[find(pointer)]);
    leave();
    return size;
}

static size_t largest_of(int region) {
    size_t largest = 0;
    for (int i = 0; i < n_blocks; i++) {
        if (blocks[i].region == region && !blocks[i].used && payload(&blocks[i]) > largest) {
            largest = payload(&blocks[i]);
        }
    }
    return class_of(largest);
}

size_t idf_largest_free_block(void) {
    enter();
    size_t largest = 0;
    for (int region = 0; region < IDF_REGIONS; region++) {
        size_t found = region_given[region] ? largest_of(region) : 0;
        largest = found > largest ? found : largest;
    }
    leave();
    return largest;
}

bool idf_fits(size_t size) {
    return idf_largest_free_block() >= size;
}

size_t idf_free_size(void) {
    enter();
    size_t sum = 0;
    for (int region = 0; region < IDF_REGIONS; region++) {
        sum += now_free[region];
    }
    leave();
    return sum;
}

void idf_heap_info(int region, idf_heap_info_t *info) {
    enter();
    info->total = region_total[region];
    info->free = now_free[region];
    info->largest = region_given[region] ? largest_of(region) : 0;
    info->minimum = least_free[region];
    leave();
}
