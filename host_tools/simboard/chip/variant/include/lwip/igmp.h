#ifndef SIMBOARD_LWIP_IGMP_H
#define SIMBOARD_LWIP_IGMP_H

#include "lwip/ip4.h"

typedef int8_t err_t;
#define ERR_OK (0)

// There is no multicast here.
static inline err_t igmp_joingroup(const ip4_addr_t *interface, const ip4_addr_t *group) {
    return -6; // ERR_VAL
}

#endif
