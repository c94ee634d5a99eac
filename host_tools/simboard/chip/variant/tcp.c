// Received data are fetched from the kernel in segments that lie in the IDF heap until they are
// read; without a block for a frame they stay in the kernel, as frames would stay with the peer.
// Written data lie in the IDF heap until the peer's kernel has them. All that happens in a thread,
// as lwIP's own task does it while Python computes or sleeps.

#define CHIP_HOST_ERRNO
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <time.h>
#include <unistd.h>

#include "idf_heap.h"
#include "link.h"
#include "lwip_model.h"
#include "newlib_errno.h"
#include "tcp.h"

pcb_t tcp_pcbs[PCBS];
pthread_mutex_t tcp_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; // something was received, acknowledged or connected
static int changes;
static int changes_waited_for; // by the poller of MicroPython
static bool running;

int tcp_error(int error) {
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

void tcp_append(segment_t **list, segment_t *segment) {
    while (*list) {
        list = &(*list)->next;
    }
    *list = segment;
}

segment_t *tcp_new_segment(size_t size, const void *data, size_t length) {
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

void tcp_drop_first(segment_t **list) {
    segment_t *segment = *list;
    *list = segment->next;
    idf_free(segment->block);
    free(segment);
}

static void drop_written(pcb_t *pcb) {
    while (pcb->written) {
        tcp_drop_first(&pcb->written);
    }
    pcb->n_written = 0;
    pcb->unacknowledged = 0;
}

void tcp_drop_received(pcb_t *pcb) {
    while (pcb->received) {
        tcp_drop_first(&pcb->received);
    }
    pcb->n_received = 0;
    pcb->unread = 0;
}

void tcp_release(pcb_t *pcb) {
    drop_written(pcb);
    tcp_drop_received(pcb);
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

bool tcp_frame_fits(void) {
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
            end_with(pcb, tcp_error(errno));
        }
        return;
    }
    struct pollfd look = { .fd = pcb->host, .events = POLLOUT };
    if (poll(&look, 1, 0) <= 0 || !tcp_frame_fits()) {
        return;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(pcb->host, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        end_with(pcb, tcp_error(error));
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
                    end_with(pcb, tcp_error(errno));
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
        if (!tcp_frame_fits()) {
            return;
        }
        changes++;
        pcb->unacknowledged -= pcb->written->length;
        pcb->n_written--;
        tcp_drop_first(&pcb->written);
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
                end_with(pcb, tcp_error(error));
            }
            return;
        }
        segment_t *segment = calloc(1, sizeof(segment_t));
        segment->block = block;
        segment->length = got;
        tcp_append(&pcb->received, segment);
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
        tcp_release(pcb);
    }
}

void tcp_step(void) {
    int64_t now = link_now();
    bool passes = link_passes();
    for (pcb_t *pcb = tcp_pcbs; pcb < tcp_pcbs + PCBS; pcb++) {
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
    pthread_mutex_lock(&tcp_mutex);
    tcp_step();
    pthread_mutex_unlock(&tcp_mutex);
}

// What the task waits for: how many descriptors, and in `limit` at most how many milliseconds.
static int interests(struct pollfd *look, int *limit) {
    int count = 0;
    bool passes = link_passes();
    *limit = WAIT_MS;
    for (pcb_t *pcb = tcp_pcbs; passes && pcb < tcp_pcbs + SOCKETS; pcb++) {
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
    pthread_mutex_lock(&tcp_mutex);
    for (;;) {
        int limit, seen = changes;
        tcp_step();
        if (changes != seen) {
            pthread_cond_broadcast(&changed);
        }
        int count = interests(look, &limit);
        bool starved = count && !idf_fits(FRAME);
        pthread_mutex_unlock(&tcp_mutex);
        poll(look, starved ? 0 : count, limit);
        pthread_mutex_lock(&tcp_mutex);
    }
    return NULL;
}

void tcp_start(void) {
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

void tcp_wait(int milliseconds) {
    int64_t until = link_now() + milliseconds;
    struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_cond_timedwait(&changed, &tcp_mutex, &at);
}

void chip_wait(int milliseconds) {
    milliseconds = milliseconds < 0 || milliseconds > WAIT_MS ? WAIT_MS : milliseconds;
    if (!running) {
        poll(NULL, 0, milliseconds);
        return;
    }
    pthread_mutex_lock(&tcp_mutex);
    if (changes == changes_waited_for) {
        tcp_wait(milliseconds);
    }
    changes_waited_for = changes;
    pthread_mutex_unlock(&tcp_mutex);
}
