// lwIP's socket interface as a model over the kernel's sockets: what ports/esp32/modsocket.c calls.

#define _GNU_SOURCE // accept4
#define CHIP_HOST_ERRNO
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "idf_heap.h"
#include "link.h"
#include "lwip_model.h"
#include "newlib_errno.h"
#include "tcp.h"

static void *first_socket_block;

static int fail(int error) {
    errno = error;
    return -1;
}

static pcb_t *enter(int s) {
    pthread_mutex_lock(&tcp_mutex);
    tcp_step();
    pcb_t *pcb = s >= FIRST_FD && s < FIRST_FD + SOCKETS ? &tcp_pcbs[s - FIRST_FD] : NULL;
    return pcb && pcb->used && !pcb->closed ? pcb : NULL;
}

static int leave(int result) {
    int error = errno;
    pthread_mutex_unlock(&tcp_mutex);
    errno = error;
    return result;
}

static int64_t deadline(const pcb_t *pcb) {
    return link_now() + (pcb->nonblocking ? 0 : pcb->timeout_ms ? pcb->timeout_ms : INT32_MAX);
}

static pcb_t *free_pcb(int first, int count) {
    for (pcb_t *pcb = tcp_pcbs + first; pcb < tcp_pcbs + first + count; pcb++) {
        if (!pcb->used) {
            return pcb;
        }
    }
    return NULL;
}

static int open_pcb(int host, int type, bool connected) {
    pcb_t *pcb = free_pcb(0, SOCKETS);
    if (!pcb) {
        close(host);
        return fail(ENFILE);
    }
    if (!first_socket_block) {
        first_socket_block = idf_malloc(FIRST_SOCKET);
    }
    void *socket_block = first_socket_block ? idf_malloc(SOCKET) : NULL;
    void *connection_block = socket_block && connected ? idf_malloc(CONNECTION) : NULL;
    if (!socket_block || (connected && !connection_block)) {
        idf_free(socket_block);
        close(host);
        return fail(NEWLIB_ENOBUFS);
    }
    *pcb = (pcb_t) {
        .host = host, .type = type, .used = true, .state = connected ? CONNECTED : NEW,
        .socket_block = socket_block, .connection_block = connection_block,
    };
    return FIRST_FD + (pcb - tcp_pcbs);
}

int lwip_socket(int domain, int type, int protocol) {
    tcp_start();
    enter(-1);
    if (domain != AF_INET) {
        return leave(fail(NEWLIB_ENOBUFS));
    }
    int host = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (host < 0) {
        return leave(fail(tcp_error(errno)));
    }
    int on = 1;
    if (type == SOCK_STREAM) {
        // When a segment goes out is decided here.
        setsockopt(host, IPPROTO_TCP, 1, &on, sizeof(on));
    }
    return leave(open_pcb(host, type, false));
}

static struct sockaddr_in to_host(const chip_sockaddr_in_t *name) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = name->port };
    address.sin_addr.s_addr = name->address;
    return address;
}

static void from_host(chip_sockaddr_in_t *name, const struct sockaddr_in *address) {
    *name = (chip_sockaddr_in_t) {
        .length = sizeof(*name), .family = AF_INET,
        .port = address->sin_port, .address = address->sin_addr.s_addr,
    };
}

int lwip_bind(int s, const void *name, uint32_t len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    struct sockaddr_in address = to_host(name);
    int result = bind(pcb->host, (struct sockaddr *)&address, sizeof(address));
    return leave(result ? fail(tcp_error(errno)) : 0);
}

int lwip_listen(int s, int backlog) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    pcb->listening = true;
    return leave(listen(pcb->host, backlog) ? fail(tcp_error(errno)) : 0);
}

int lwip_accept(int s, void *name, uint32_t *len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    int64_t until = deadline(pcb);
    for (;;) {
        struct sockaddr_in address;
        socklen_t size = sizeof(address);
        int host = link_passes() ? accept4(pcb->host, (struct sockaddr *)&address, &size,
            SOCK_NONBLOCK | SOCK_CLOEXEC) : fail(EAGAIN);
        if (host >= 0) {
            from_host(name, &address);
            return leave(open_pcb(host, SOCK_STREAM, true));
        }
        if (errno != EAGAIN && errno != EINTR) {
            return leave(fail(tcp_error(errno)));
        }
        if (link_now() >= until) {
            return leave(fail(EAGAIN));
        }
        tcp_wait(WAIT_MS);
        tcp_step();
    }
}

int lwip_connect(int s, const void *name, uint32_t len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    if (pcb->type != SOCK_STREAM) {
        struct sockaddr_in address = to_host(name);
        int result = connect(pcb->host, (struct sockaddr *)&address, sizeof(address));
        return leave(result ? fail(tcp_error(errno)) : 0);
    }
    if (pcb->state != NEW) {
        return leave(fail(pcb->state == CONNECTING ? NEWLIB_EALREADY : EISCONN));
    }
    pcb->connection_block = idf_malloc(CONNECTION);
    if (!pcb->connection_block) {
        return leave(fail(ENOMEM));
    }
    pcb->peer = to_host(name);
    pcb->state = CONNECTING;
    tcp_step();
    int64_t until = deadline(pcb);
    while (pcb->state == CONNECTING && link_now() < until) {
        tcp_wait(WAIT_MS);
        tcp_step();
    }
    if (pcb->state == CONNECTING) {
        return leave(fail(NEWLIB_EINPROGRESS));
    }
    if (pcb->state == ENDED) {
        return leave(fail(pcb->error));
    }
    return leave(0);
}

static ssize_t receive_datagram(pcb_t *pcb, void *data, size_t len, int flags, void *from) {
    int64_t until = flags & CHIP_MSG_DONTWAIT ? 0 : deadline(pcb);
    for (;;) {
        if (link_passes() && tcp_frame_fits()) {
            struct sockaddr_in address;
            socklen_t size = sizeof(address);
            ssize_t got = recvfrom(pcb->host, data, len, MSG_DONTWAIT,
                (struct sockaddr *)&address, &size);
            if (got >= 0) {
                if (from) {
                    from_host(from, &address);
                }
                return got;
            }
            if (errno != EAGAIN && errno != EINTR) {
                return fail(tcp_error(errno));
            }
        }
        if (link_now() >= until) {
            return fail(EAGAIN);
        }
        tcp_wait(WAIT_MS);
        tcp_step();
    }
}

ssize_t lwip_recvfrom(int s, void *data, size_t len, int flags, void *from, uint32_t *from_len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    if (pcb->type != SOCK_STREAM) {
        return leave(receive_datagram(pcb, data, len, flags, from));
    }
    int64_t until = flags & CHIP_MSG_DONTWAIT ? 0 : deadline(pcb);
    while (!pcb->received) {
        if (pcb->state == ENDED && pcb->error) {
            return leave(fail(pcb->error));
        }
        if (pcb->finished) {
            return leave(0);
        }
        if (pcb->state == NEW) {
            return leave(fail(NEWLIB_ENOTCONN));
        }
        if (link_now() >= until) {
            return leave(fail(EAGAIN));
        }
        tcp_wait(WAIT_MS);
        tcp_step();
    }
    size_t copied = 0;
    segment_t *segment = pcb->received;
    while (segment && copied < len) {
        size_t part = segment->length - segment->done;
        part = part < len - copied ? part : len - copied;
        memcpy((char *)data + copied, (char *)segment->block + segment->done, part);
        copied += part;
        if (flags & CHIP_MSG_PEEK) {
            segment = segment->next;
            continue;
        }
        segment->done += part;
        pcb->unread -= part;
        if (segment->done < segment->length) {
            break;
        }
        pcb->n_received--;
        tcp_drop_first(&pcb->received);
        segment = pcb->received;
    }
    return leave(copied);
}

// Queue as much as the send buffer and the memory have room for.
static size_t queue(pcb_t *pcb, const char *data, size_t len) {
    size_t queued = 0;
    segment_t *last = pcb->written;
    while (last && last->next) {
        last = last->next;
    }
    if (last && !last->out && last->length < MSS && pcb->unacknowledged < SEND_BUFFER) {
        // Every block has room for a full segment: what was not sent yet takes more.
        size_t room = MSS - last->length, left = SEND_BUFFER - pcb->unacknowledged;
        queued = len < room ? len : room;
        queued = queued < left ? queued : left;
        memcpy((char *)last->block + last->length, data, queued);
        last->length += queued;
        pcb->unacknowledged += queued;
    }
    while (queued < len && pcb->n_written < SEND_SEGMENTS && pcb->unacknowledged < SEND_BUFFER) {
        size_t part = len - queued;
        size_t room = SEND_BUFFER - pcb->unacknowledged;
        part = part < MSS ? part : MSS;
        part = part < room ? part : room;
        segment_t *segment = tcp_new_segment(WRITTEN, data + queued, part);
        if (!segment) {
            pcb->full_until = link_now() + 1000;
            break;
        }
        tcp_append(&pcb->written, segment);
        pcb->n_written++;
        pcb->unacknowledged += part;
        queued += part;
    }
    return queued;
}

ssize_t lwip_write(int s, const void *data, size_t len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    int64_t until = deadline(pcb);
    for (;;) {
        if (pcb->state == ENDED) {
            return leave(fail(pcb->error ? pcb->error : NEWLIB_ECONNRESET));
        }
        if (pcb->state == NEW) {
            return leave(fail(NEWLIB_ENOTCONN));
        }
        if (pcb->state == CONNECTED) {
            size_t queued = queue(pcb, data, len);
            if (queued || !len) {
                tcp_step();
                return leave(queued);
            }
        } else if (pcb->nonblocking) {
            return leave(fail(NEWLIB_EINPROGRESS));
        }
        if (link_now() >= until) {
            return leave(fail(EAGAIN));
        }
        tcp_wait(WAIT_MS);
        tcp_step();
    }
}

ssize_t lwip_sendto(int s, const void *data, size_t len, int flags, const void *to, uint32_t to_len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    void *block = idf_malloc(WRITTEN); // until the driver has sent it
    if (!block) {
        return leave(fail(ENOMEM));
    }
    idf_free(block);
    if (!link_passes()) {
        return leave(len);
    }
    struct sockaddr_in address = to_host(to);
    ssize_t sent = sendto(pcb->host, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
        (struct sockaddr *)&address, sizeof(address));
    return leave(sent < 0 ? fail(tcp_error(errno)) : sent);
}

int lwip_close(int s) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    if (pcb->received) {
        // Data that nobody will read: a reset, as lwIP sends it.
        struct linger at_once = { .l_onoff = 1 };
        setsockopt(pcb->host, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    tcp_drop_received(pcb);
    if (pcb->state != CONNECTED || pcb->listening || (!pcb->written && link_passes())) {
        tcp_release(pcb);
        return leave(0);
    }
    pcb_t *later = free_pcb(SOCKETS, PCBS - SOCKETS);
    if (!later) {
        tcp_release(pcb);
        return leave(0);
    }
    idf_free(pcb->socket_block);
    *later = *pcb;
    later->socket_block = NULL;
    later->closed = true;
    const char *linger = getenv("CHIP_LINGER");
    later->forget_at = link_now() + (linger ? atoi(linger) : LINGER_MS);
    if (!later->written) {
        idf_free(later->connection_block);
        later->connection_block = NULL;
    }
    memset(pcb, 0, sizeof(*pcb));
    return leave(0);
}

int lwip_setsockopt(int s, int level, int option, const void *value, uint32_t len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    if (level == CHIP_SOL_SOCKET && option == CHIP_SO_RCVTIMEO) {
        const struct timeval *time = value;
        pcb->timeout_ms = time->tv_sec * 1000LL + time->tv_usec / 1000;
    } else if (level == CHIP_SOL_SOCKET && option == CHIP_SO_REUSEADDR) {
        setsockopt(pcb->host, SOL_SOCKET, SO_REUSEADDR, value, len);
    } else if (level == CHIP_SOL_SOCKET && option == CHIP_SO_BROADCAST) {
        setsockopt(pcb->host, SOL_SOCKET, SO_BROADCAST, value, len);
    } else if (level == IPPROTO_TCP && option == CHIP_TCP_NODELAY) {
        pcb->nodelay = *(const int *)value;
    }
    return leave(0);
}

int lwip_getsockopt(int s, int level, int option, void *value, uint32_t *len) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    *(int *)value = pcb->error;
    return leave(0);
}

int lwip_fcntl(int s, int command, int value) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    if (command == F_SETFL) {
        pcb->nonblocking = value & O_NONBLOCK;
    }
    return leave(command == F_GETFL && pcb->nonblocking ? O_NONBLOCK : 0);
}

static bool readable(pcb_t *pcb) {
    if (pcb->type == SOCK_STREAM && !pcb->listening) {
        return pcb->received || pcb->finished || pcb->state == ENDED;
    }
    struct pollfd look = { .fd = pcb->host, .events = POLLIN };
    return link_passes() && poll(&look, 1, 0) > 0;
}

static bool writable(pcb_t *pcb, int64_t now) {
    if (pcb->type != SOCK_STREAM || pcb->state == ENDED) {
        return true;
    }
    return pcb->state == CONNECTED && now >= pcb->full_until
           && SEND_BUFFER - pcb->unacknowledged > WRITABLE_ABOVE && pcb->n_written < WRITABLE_BELOW;
}

int lwip_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout) {
    enter(-1);
    int64_t until = link_now() + timeout->tv_sec * 1000LL + timeout->tv_usec / 1000;
    for (;;) {
        int64_t now = link_now();
        fd_set readables, writables, broken;
        FD_ZERO(&readables);
        FD_ZERO(&writables);
        FD_ZERO(&broken);
        int ready = 0;
        bool waiting = false;
        for (int s = FIRST_FD; s < count && s < FIRST_FD + SOCKETS; s++) {
            pcb_t *pcb = &tcp_pcbs[s - FIRST_FD];
            if (!pcb->used) {
                continue;
            }
            if (read && FD_ISSET(s, read) && readable(pcb)) {
                FD_SET(s, &readables);
                ready++;
            }
            if (write && FD_ISSET(s, write) && writable(pcb, now)) {
                FD_SET(s, &writables);
                ready++;
            }
            if (except && FD_ISSET(s, except) && pcb->state == ENDED) {
                FD_SET(s, &broken);
                ready++;
            }
            waiting = true;
        }
        if (ready || now >= until || !waiting) {
            if (read) {
                *read = readables;
            }
            if (write) {
                *write = writables;
            }
            if (except) {
                *except = broken;
            }
            return leave(ready);
        }
        tcp_wait(WAIT_MS);
        tcp_step();
    }
}
