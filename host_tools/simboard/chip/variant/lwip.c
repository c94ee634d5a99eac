// lwIP as a model over the kernel's sockets: what it takes of the IDF heap, and how it fails.
//
// Received data are fetched from the kernel in segments that lie in the IDF heap until they are
// read; without a block for a frame they stay in the kernel, as frames would stay with the peer.
// Written data lie in the IDF heap until the peer's kernel has them. `step` is what lwIP's own task
// does; it runs in a thread, as there, while Python computes or sleeps.

#define _GNU_SOURCE // accept4
#define CHIP_HOST_ERRNO
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <unistd.h>

#include "idf_heap.h"
#include "link.h"
#include "lwip_model.h"
#include "newlib_errno.h"

// ESP-IDF's configuration of lwIP.
#define SOCKETS         (10)
#define FIRST_FD        (54)
#define MSS             (1436)
#define WINDOW          (5760)
#define SEND_BUFFER     (5760)
#define SEND_SEGMENTS   (16)
#define WRITABLE_ABOVE  (2880) // TCP_SNDLOWAT
#define WRITABLE_BELOW  (8)    // TCP_SNDQUEUELOWAT
#define RECEIVE_SEGMENTS (7)   // a mailbox of 6, and one that found it full

// Seen on the chip, less the 4 bytes of a block's header.
#define FRAME           (1730) // a received frame, whatever its size
#define WRITTEN         (1552) // a written segment, whatever its size
#define FIRST_SOCKET    (4040) // stays
#define SOCKET          (236)
#define CONNECTION      (1156)
#define RESOLUTION      (332)
// An aborted connection keeps its unacknowledged segments for 10 to 25 s; CHIP_LINGER has another
// time, milliseconds.
#define LINGER_MS       (15000)
#define ROUND_TRIP_MS   (2)
#define RESOLVER_MS     (14000)
#define WAIT_MS         (5)

enum { NEW, CONNECTING, CONNECTED, ENDED };

typedef struct segment {
    struct segment *next;
    void *block; // in the IDF heap
    size_t length, done; // bytes in it, bytes of them read or given to the kernel
    int64_t at; // when it was given to the kernel
    bool out; // was sent, whether or not the link let it pass
} segment_t;

typedef struct {
    int host; // the kernel's descriptor
    int type, state, error;
    bool used, closed, nonblocking, listening, asked, nodelay;
    int64_t timeout_ms; // of a blocking call
    struct sockaddr_in peer; // to whom it connects as soon as the link lets it
    void *socket_block, *connection_block;
    segment_t *received, *written;
    size_t unread, unacknowledged;
    int n_received, n_written;
    bool finished; // the peer has sent its FIN
    int64_t full_until; // writing found no memory; not writable until something is acknowledged
    int64_t forget_at; // of a closed one
} pcb_t;

static pcb_t pcbs[SOCKETS + 16]; // and closed ones that still have something to deliver
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; // something was received, acknowledged or connected
static int changes;
static int changes_waited_for; // by the poller of MicroPython
static bool running;
static void *first_socket_block;

static int newlib(int error) {
    switch (error) {
        case ECONNREFUSED:
        case EPIPE:
            return NEWLIB_ECONNRESET; // as seen on the chip
        case EADDRINUSE:
            return NEWLIB_EADDRINUSE;
        case ECONNABORTED:
            return NEWLIB_ECONNABORTED;
        case ETIMEDOUT:
            return NEWLIB_ETIMEDOUT;
        case EHOSTUNREACH:
        case ENETUNREACH:
            return NEWLIB_EHOSTUNREACH;
        case EINPROGRESS:
            return NEWLIB_EINPROGRESS;
        case EALREADY:
            return NEWLIB_EALREADY;
        case ENOTCONN:
            return NEWLIB_ENOTCONN;
        default:
            return error;
    }
}

static int fail(int error) {
    errno = error;
    return -1;
}

static void append(segment_t **list, segment_t *segment) {
    while (*list) {
        list = &(*list)->next;
    }
    *list = segment;
}

static segment_t *new_segment(size_t size, const void *data, size_t length) {
    void *block = idf_malloc(size);
    if (!block) {
        return NULL;
    }
    segment_t *segment = calloc(1, sizeof(segment_t));
    segment->block = block;
    segment->length = length;
    memcpy(block, data, length);
    return segment;
}

static void drop_first(segment_t **list) {
    segment_t *segment = *list;
    *list = segment->next;
    idf_free(segment->block);
    free(segment);
}

static void drop_written(pcb_t *pcb) {
    while (pcb->written) {
        drop_first(&pcb->written);
    }
    pcb->n_written = 0;
    pcb->unacknowledged = 0;
}

static void drop_received(pcb_t *pcb) {
    while (pcb->received) {
        drop_first(&pcb->received);
    }
    pcb->n_received = 0;
    pcb->unread = 0;
}

static void release(pcb_t *pcb) {
    drop_written(pcb);
    drop_received(pcb);
    idf_free(pcb->socket_block);
    idf_free(pcb->connection_block);
    if (pcb->host >= 0) {
        close(pcb->host);
    }
    memset(pcb, 0, sizeof(*pcb));
}

static void end_with(pcb_t *pcb, int error) {
    changes++;
    pcb->error = error;
    pcb->state = ENDED;
    drop_written(pcb);
}

// Whether a frame can be received now. Nothing in it is kept.
static bool frame_fits(void) {
    void *block = idf_malloc(FRAME);
    if (!block) {
        link_shared()->frames_lost++;
        return false;
    }
    idf_free(block);
    return true;
}

static void step_connecting(pcb_t *pcb) {
    if (!pcb->asked) {
        pcb->asked = true;
        if (connect(pcb->host, (struct sockaddr *)&pcb->peer, sizeof(pcb->peer)) == 0) {
            pcb->state = CONNECTED;
            changes++;
        } else if (errno != EINPROGRESS) {
            end_with(pcb, newlib(errno));
        }
        return;
    }
    struct pollfd look = { .fd = pcb->host, .events = POLLOUT };
    if (poll(&look, 1, 0) <= 0 || !frame_fits()) {
        return;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(pcb->host, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        end_with(pcb, newlib(error));
    } else {
        pcb->state = CONNECTED;
        changes++;
    }
}

static void step_writing(pcb_t *pcb, int64_t now, bool passes) {
    for (segment_t *segment = pcb->written; segment; segment = segment->next) {
        if (!pcb->nodelay && segment != pcb->written && segment->length < MSS) {
            return; // Nagle: something small waits until all before it is acknowledged
        }
        segment->out = true;
        while (passes && segment->done < segment->length) {
            ssize_t sent = send(pcb->host, (char *)segment->block + segment->done,
                segment->length - segment->done, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno != EAGAIN && errno != EINTR) {
                    end_with(pcb, newlib(errno));
                }
                return;
            }
            segment->done += sent;
            segment->at = now;
        }
    }
}

static void step_acknowledging(pcb_t *pcb, int64_t now) {
    if (!pcb->written || pcb->written->done < pcb->written->length
        || now - pcb->written->at < ROUND_TRIP_MS) {
        return;
    }
    int queued = 0; // bytes that the peer's kernel does not have yet
    ioctl(pcb->host, SIOCOUTQ, &queued);
    size_t behind = 0; // bytes given to the kernel behind the first segment
    for (segment_t *segment = pcb->written->next; segment; segment = segment->next) {
        behind += segment->done;
    }
    while (pcb->written && pcb->written->done == pcb->written->length
           && now - pcb->written->at >= ROUND_TRIP_MS && (size_t)queued <= behind) {
        if (!frame_fits()) {
            return;
        }
        changes++;
        pcb->unacknowledged -= pcb->written->length;
        pcb->n_written--;
        drop_first(&pcb->written);
        pcb->full_until = 0;
        behind -= pcb->written ? pcb->written->done : 0;
    }
}

static void step_reading(pcb_t *pcb) {
    size_t limit = link_shared()->segment;
    limit = limit && limit < MSS ? limit : MSS;
    while (!pcb->finished && pcb->n_received < RECEIVE_SEGMENTS && pcb->unread < WINDOW) {
        struct pollfd look = { .fd = pcb->host, .events = POLLIN };
        if (poll(&look, 1, 0) <= 0) {
            return;
        }
        void *block = idf_malloc(FRAME);
        if (!block) {
            link_shared()->frames_lost++;
            return;
        }
        size_t room = WINDOW - pcb->unread;
        ssize_t got = recv(pcb->host, block, room < limit ? room : limit, MSG_DONTWAIT);
        if (got <= 0) {
            int error = errno;
            idf_free(block);
            if (got == 0) {
                changes++;
                pcb->finished = true;
            } else if (error != EAGAIN && error != EINTR) {
                end_with(pcb, newlib(error));
            }
            return;
        }
        segment_t *segment = calloc(1, sizeof(segment_t));
        segment->block = block;
        segment->length = got;
        append(&pcb->received, segment);
        changes++;
        pcb->n_received++;
        pcb->unread += got;
        for (segment_t *sent = pcb->written; sent; sent = sent->next) {
            sent->at = 0; // an answer acknowledges what it answers
        }
    }
}

static void step_closed(pcb_t *pcb, int64_t now, bool passes) {
    if (pcb->written && now >= pcb->forget_at) {
        // Given up: what the peer's kernel did not take is lost, and it gets a reset.
        struct linger at_once = { .l_onoff = 1 };
        setsockopt(pcb->host, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        drop_written(pcb);
    }
    // Until its FIN or reset can get out, the peer must not notice.
    if (!pcb->written && passes) {
        release(pcb);
    }
}

static void step(void) {
    int64_t now = link_now();
    bool passes = link_passes();
    for (pcb_t *pcb = pcbs; pcb < pcbs + sizeof(pcbs) / sizeof(*pcbs); pcb++) {
        if (!pcb->used || pcb->type != SOCK_STREAM || pcb->listening) {
            continue;
        }
        if (passes && pcb->state == CONNECTING) {
            step_connecting(pcb);
        }
        if (pcb->state == CONNECTED) {
            step_writing(pcb, now, passes);
        }
        if (passes && pcb->state == CONNECTED) {
            if (!pcb->closed) {
                step_reading(pcb);
            }
            step_acknowledging(pcb, now);
        }
        if (pcb->closed) {
            step_closed(pcb, now, passes);
        }
    }
    link_t *link = link_shared();
    link->idf_free = idf_free_size();
    link->idf_largest = idf_largest_free_block();
    if (!link->idf_minimum || link->idf_free < link->idf_minimum) {
        link->idf_minimum = link->idf_free;
    }
}

void lwip_poll(void) {
    pthread_mutex_lock(&mutex);
    step();
    pthread_mutex_unlock(&mutex);
}

// What the task waits for: how many descriptors, and in `limit` at most how many milliseconds.
static int interests(struct pollfd *look, int *limit) {
    int count = 0;
    bool passes = link_passes();
    *limit = WAIT_MS;
    for (pcb_t *pcb = pcbs; passes && pcb < pcbs + SOCKETS; pcb++) {
        if (!pcb->used || pcb->listening || pcb->type != SOCK_STREAM) {
            continue;
        }
        if (pcb->written) {
            *limit = ROUND_TRIP_MS;
        }
        bool room = pcb->n_received < RECEIVE_SEGMENTS && pcb->unread < WINDOW && !pcb->finished;
        if (pcb->state == CONNECTING || (pcb->state == CONNECTED && room)) {
            short events = pcb->state == CONNECTING ? POLLOUT : POLLIN;
            look[count++] = (struct pollfd) { .fd = pcb->host, .events = events };
        }
    }
    return count;
}

static void *task(void *unused) {
    struct pollfd look[SOCKETS];
    pthread_mutex_lock(&mutex);
    for (;;) {
        int limit, seen = changes;
        step();
        if (changes != seen) {
            pthread_cond_broadcast(&changed);
        }
        int count = interests(look, &limit);
        bool starved = count && !idf_fits(FRAME);
        pthread_mutex_unlock(&mutex);
        poll(look, starved ? 0 : count, limit);
        pthread_mutex_lock(&mutex);
    }
    return NULL;
}

static void start_task(void) {
    if (running) {
        return;
    }
    running = true;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &monotonic);
    // Signals are for MicroPython's threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    pthread_create(&thread, NULL, task, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

// Wait until something has changed, the mutex held; a few milliseconds at most, for what else may
// happen in a MicroPython program is only seen by looking again.
static void wait_for_change(int milliseconds) {
    int64_t until = link_now() + milliseconds;
    struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_cond_timedwait(&changed, &mutex, &at);
}

void chip_wait(int milliseconds) {
    milliseconds = milliseconds < 0 || milliseconds > WAIT_MS ? WAIT_MS : milliseconds;
    if (!running) {
        poll(NULL, 0, milliseconds);
        return;
    }
    pthread_mutex_lock(&mutex);
    if (changes == changes_waited_for) {
        wait_for_change(milliseconds);
    }
    changes_waited_for = changes;
    pthread_mutex_unlock(&mutex);
}

static pcb_t *enter(int s) {
    pthread_mutex_lock(&mutex);
    step();
    pcb_t *pcb = s >= FIRST_FD && s < FIRST_FD + SOCKETS ? &pcbs[s - FIRST_FD] : NULL;
    return pcb && pcb->used && !pcb->closed ? pcb : NULL;
}

static int leave(int result) {
    int error = errno;
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

static int64_t deadline(const pcb_t *pcb) {
    return link_now() + (pcb->nonblocking ? 0 : pcb->timeout_ms ? pcb->timeout_ms : INT32_MAX);
}

static pcb_t *free_pcb(int first, int count) {
    for (pcb_t *pcb = pcbs + first; pcb < pcbs + first + count; pcb++) {
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
    return FIRST_FD + (pcb - pcbs);
}

int lwip_socket(int domain, int type, int protocol) {
    start_task();
    enter(-1);
    if (domain != AF_INET) {
        return leave(fail(NEWLIB_ENOBUFS));
    }
    int host = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (host < 0) {
        return leave(fail(newlib(errno)));
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
    return leave(result ? fail(newlib(errno)) : 0);
}

int lwip_listen(int s, int backlog) {
    pcb_t *pcb = enter(s);
    if (!pcb) {
        return leave(fail(EBADF));
    }
    pcb->listening = true;
    return leave(listen(pcb->host, backlog) ? fail(newlib(errno)) : 0);
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
            return leave(fail(newlib(errno)));
        }
        if (link_now() >= until) {
            return leave(fail(EAGAIN));
        }
        wait_for_change(WAIT_MS);
        step();
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
        return leave(result ? fail(newlib(errno)) : 0);
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
    step();
    int64_t until = deadline(pcb);
    while (pcb->state == CONNECTING && link_now() < until) {
        wait_for_change(WAIT_MS);
        step();
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
        if (link_passes() && frame_fits()) {
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
                return fail(newlib(errno));
            }
        }
        if (link_now() >= until) {
            return fail(EAGAIN);
        }
        wait_for_change(WAIT_MS);
        step();
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
        wait_for_change(WAIT_MS);
        step();
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
        drop_first(&pcb->received);
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
        // Every block has room for a whole segment: what was not sent yet takes more.
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
        segment_t *segment = new_segment(WRITTEN, data + queued, part);
        if (!segment) {
            pcb->full_until = link_now() + 1000;
            break;
        }
        append(&pcb->written, segment);
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
                step();
                return leave(queued);
            }
        } else if (pcb->nonblocking) {
            return leave(fail(NEWLIB_EINPROGRESS));
        }
        if (link_now() >= until) {
            return leave(fail(EAGAIN));
        }
        wait_for_change(WAIT_MS);
        step();
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
    return leave(sent < 0 ? fail(newlib(errno)) : sent);
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
    drop_received(pcb);
    if (pcb->state != CONNECTED || pcb->listening || (!pcb->written && link_passes())) {
        release(pcb);
        return leave(0);
    }
    pcb_t *later = free_pcb(SOCKETS, sizeof(pcbs) / sizeof(*pcbs) - SOCKETS);
    if (!later) {
        release(pcb);
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
            pcb_t *pcb = &pcbs[s - FIRST_FD];
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
        wait_for_change(WAIT_MS);
        step();
    }
}

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
        while (!link_passes() || !frame_fits()) {
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
