#ifndef SIMBOARD_CHIP_TIME_H
#define SIMBOARD_CHIP_TIME_H

#include <time.h>

// The board's clock in seconds since 1970, as mbedTLS asks for it.
time_t chip_time(time_t *where);

#endif
