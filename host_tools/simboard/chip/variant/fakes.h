// simboard's fake modules lie on the heap of the board that they pretend to be: what they take is
// measured once they are loaded, and left out of what MicroPython counts from then on.
#ifndef SIMBOARD_FAKES_H
#define SIMBOARD_FAKES_H

#include <stddef.h>

// Bytes of Python's heap.
extern size_t chip_fakes;

#endif
