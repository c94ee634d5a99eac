// The radio link of the process: cut and restored from outside, without a peer or the
// kernel noticing.
#ifndef SIMBOARD_LINK_H
#define SIMBOARD_LINK_H

#include <stdbool.h>
#include <stdint.h>

// What the file named by CHIP_LINK begins with; it is mapped, and looked at before each step.
typedef struct {
    uint32_t cut; // 1: no frame passes, in either direction
    uint32_t delay_ms; // how long after the end of a cut the first frame passes
    uint32_t segment; // most bytes of a received segment; 0: lwIP's 1,436
    uint32_t reserved[5];
    // Written by the board, for whoever watches it.
    uint32_t idf_free, idf_largest, idf_minimum;
    uint32_t python_areas; // bytes of the areas of Python's heap that lie in the IDF heap
    uint32_t frames_lost; // received frames for which there was no block, since the start
    uint32_t spare[3];
} link_t;

// Whether frames pass at this moment.
bool link_passes(void);
link_t *link_shared(void);
// Milliseconds on a clock that only goes forward.
int64_t link_now(void);

#endif
