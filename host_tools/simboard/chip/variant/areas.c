// Where Python's heap comes from.

#include <stdlib.h>

#include "py/gc.h"
#include "idf_heap.h"
#include "link.h"
#include "lwip_model.h"

// The first area lies outside of the figures of the IDF heap: those are of the time after boot.
static void *first_area;
static int growth = -1;

static int may_grow(void) {
    if (growth < 0) {
        const char *text = getenv("CHIP_GROWTH");
        growth = text == NULL || text[0] != '0';
    }
    return growth;
}

void *chip_alloc_area(size_t size) {
    if (first_area == NULL) {
        return posix_memalign(&first_area, 16, size) ? NULL : first_area;
    }
    void *area = idf_malloc(size);
    link_shared()->python_areas += area ? size : 0;
    return area;
}

void chip_free_area(void *area) {
    link_shared()->python_areas -= idf_size(area);
    idf_free(area);
}

// The limit of the main task's stack, bytes. The chip's task has 16 KiB, of smaller frames; this is
// the unix port's own limit.
unsigned int chip_stack_size(void) {
    const char *text = getenv("CHIP_STACK");
    return text ? atoi(text) : 40000;
}

size_t gc_get_max_new_split(void) {
    lwip_poll();
    return may_grow() ? idf_largest_free_block() : 0;
}
