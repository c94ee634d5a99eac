#ifndef SIMBOARD_LWIP_IP4_H
#define SIMBOARD_LWIP_IP4_H

#include <stdint.h>

typedef struct {
    uint32_t addr;
} ip4_addr_t;

char *ip4addr_ntoa_r(const ip4_addr_t *address, char *text, int size);

#endif
