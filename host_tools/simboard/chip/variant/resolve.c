// Names and addresses.

#define CHIP_HOST_ERRNO
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "idf_heap.h"
#include "link.h"
#include "lwip_model.h"
#include "tcp.h"

int lwip_getaddrinfo(const char *host, const char *port, const chip_addrinfo_t *hints,
    chip_addrinfo_t **res) {
    *res = NULL;
    void *block = idf_calloc(1, RESOLUTION);
    if (!block) {
        return CHIP_EAI_MEMORY; // of a numeric address, too
    }
    struct in_addr address;
    if (!inet_aton(host, &address)) {
        int64_t until = link_now() + RESOLVER_MS;
        while (!link_passes() || !tcp_frame_fits()) {
            if (link_now() >= until) {
                idf_free(block);
                return CHIP_EAI_FAIL;
            }
            poll(NULL, 0, 20);
        }
        struct addrinfo wanted = { .ai_family = AF_INET }, *found;
        if (getaddrinfo(host, NULL, &wanted, &found) != 0) {
            idf_free(block);
            return CHIP_EAI_FAIL;
        }
        address = ((struct sockaddr_in *)found->ai_addr)->sin_addr;
        freeaddrinfo(found);
    }
    chip_addrinfo_t *info = block;
    chip_sockaddr_in_t *name = (chip_sockaddr_in_t *)(info + 1);
    *name = (chip_sockaddr_in_t) {
        .length = sizeof(*name), .family = AF_INET,
        .port = htons(atoi(port)), .address = address.s_addr,
    };
    *info = (chip_addrinfo_t) {
        .family = AF_INET, .socktype = hints->socktype, .protocol = hints->protocol,
        .address_length = sizeof(*name), .address = name, .canonical_name = (char *)(name + 1),
    };
    strncpy(info->canonical_name, host, RESOLUTION - sizeof(*info) - sizeof(*name) - 1);
    *res = info;
    return 0;
}

void lwip_freeaddrinfo(chip_addrinfo_t *info) {
    idf_free(info);
}

char *ip4addr_ntoa_r(const uint32_t *address, char *text, int size) {
    struct in_addr in = { .s_addr = *address };
    return (char *)inet_ntop(AF_INET, &in, text, size);
}
