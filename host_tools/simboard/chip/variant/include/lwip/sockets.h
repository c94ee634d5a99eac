// lwIP's socket calls, as ports/esp32/modsocket.c makes them; answered by ../../lwip.c.
#ifndef SIMBOARD_LWIP_SOCKETS_H
#define SIMBOARD_LWIP_SOCKETS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/types.h>

typedef uint32_t socklen_t;

struct in_addr {
    uint32_t s_addr;
};

struct sockaddr {
    uint8_t sa_len, sa_family;
    char sa_data[14];
};

struct sockaddr_in {
    uint8_t sin_len, sin_family;
    uint16_t sin_port;
    struct in_addr sin_addr;
    char sin_zero[8];
};

struct sockaddr_storage {
    uint8_t s2_len, ss_family;
    char s2_data[26];
};

// lwIP's numbers.
#define AF_INET            (2)
#define AF_INET6           (10)
#define SOCK_STREAM        (1)
#define SOCK_DGRAM         (2)
#define SOCK_RAW           (3)
#define IPPROTO_IP         (0)
#define IPPROTO_TCP        (6)
#define IPPROTO_UDP        (17)
#define SOL_SOCKET         (0xfff)
#define SO_REUSEADDR       (0x0004)
#define SO_BROADCAST       (0x0020)
#define SO_SNDTIMEO        (0x1005)
#define SO_RCVTIMEO        (0x1006)
#define SO_ERROR           (0x1007)
#define SO_BINDTODEVICE    (0x100b)
#define TCP_NODELAY        (0x01)
#define IP_ADD_MEMBERSHIP  (3)
#define MSG_PEEK           (0x01)
#define MSG_DONTWAIT       (0x08)
#define NETIF_NAMESIZE     (6)
#define SOMAXCONN          (5)

int lwip_socket(int domain, int type, int protocol);
int lwip_bind(int s, const struct sockaddr *name, socklen_t len);
int lwip_listen(int s, int backlog);
int lwip_accept(int s, struct sockaddr *addr, socklen_t *len);
int lwip_connect(int s, const struct sockaddr *name, socklen_t len);
ssize_t lwip_recvfrom(int s, void *data, size_t len, int flags, struct sockaddr *from, socklen_t *from_len);
ssize_t lwip_write(int s, const void *data, size_t len);
ssize_t lwip_sendto(int s, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len);
int lwip_close(int s);
int lwip_setsockopt(int s, int level, int option, const void *value, socklen_t len);
int lwip_getsockopt(int s, int level, int option, void *value, socklen_t *len);
int lwip_fcntl(int s, int command, int value);
int lwip_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);

#define fcntl_of_two(s, command) lwip_fcntl(s, command, 0)
#define fcntl_of_three(s, command, value) lwip_fcntl(s, command, value)
#define fcntl_by_count(_1, _2, _3, name, ...) name
#define fcntl(...) fcntl_by_count(__VA_ARGS__, fcntl_of_three, fcntl_of_two, )(__VA_ARGS__)
#define getsockopt lwip_getsockopt
#define select lwip_select

static inline uint16_t lwip_htons(uint16_t value) {
    return __builtin_bswap16(value);
}
#define lwip_ntohs lwip_htons
#define ntohs lwip_htons

#endif
