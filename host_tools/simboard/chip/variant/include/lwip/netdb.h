// Name resolution as ports/esp32/modsocket.c asks for it.
#ifndef SIMBOARD_LWIP_NETDB_H
#define SIMBOARD_LWIP_NETDB_H

#include "lwip/sockets.h"

#define EAI_FAIL      (202)
#define EAI_MEMORY    (203)
#define AI_CANONNAME  (0x02)

struct addrinfo {
    int ai_flags, ai_family, ai_socktype, ai_protocol;
    socklen_t ai_addrlen;
    struct sockaddr *ai_addr;
    char *ai_canonname;
    struct addrinfo *ai_next;
};

int lwip_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **res);
void lwip_freeaddrinfo(struct addrinfo *info);

#endif
