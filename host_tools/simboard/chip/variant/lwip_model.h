// What the model of lwIP and its callers agree on, beside the headers of include/lwip: those have
// lwIP's structures, the model needs the kernel's of the same names.
#ifndef SIMBOARD_LWIP_MODEL_H
#define SIMBOARD_LWIP_MODEL_H

#include <stdint.h>

#define CHIP_SOL_SOCKET    (0xfff)
#define CHIP_SO_REUSEADDR  (0x0004)
#define CHIP_SO_BROADCAST  (0x0020)
#define CHIP_SO_RCVTIMEO   (0x1006)
#define CHIP_TCP_NODELAY   (0x01)
#define CHIP_MSG_PEEK      (0x01)
#define CHIP_MSG_DONTWAIT  (0x08)
#define CHIP_EAI_FAIL      (202)
#define CHIP_EAI_MEMORY    (203)

// struct sockaddr_in and struct addrinfo of include/lwip.
typedef struct {
    uint8_t length, family;
    uint16_t port;
    uint32_t address;
    char zero[8];
} chip_sockaddr_in_t;

typedef struct chip_addrinfo {
    int flags, family, socktype, protocol;
    uint32_t address_length;
    void *address;
    char *canonical_name;
    struct chip_addrinfo *next;
} chip_addrinfo_t;

// Do what lwIP's task would have done by now: receive, send, see what is acknowledged.
void lwip_poll(void);
void chip_wait(int milliseconds);

#endif
