#define CHIP_HOST_ERRNO
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

static link_t own;
static link_t *shared;

link_t *link_shared(void) {
    if (shared) {
        return shared;
    }
    shared = &own;
    const char *path = getenv("CHIP_LINK");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct stat status;
    if (file >= 0 && fstat(file, &status) == 0 && status.st_size >= (off_t)sizeof(link_t)) {
        void *mapped = mmap(NULL, sizeof(link_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        shared = mapped == MAP_FAILED ? &own : mapped;
    }
    if (file >= 0) {
        close(file);
    }
    return shared;
}

int64_t link_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

bool link_passes(void) {
    static int64_t passes_at;
    link_t *link = link_shared();
    int64_t now = link_now();
    if (__atomic_load_n(&link->cut, __ATOMIC_ACQUIRE)) {
        passes_at = now + link->delay_ms;
        return false;
    }
    return now >= passes_at;
}
