// TCP of the model of lwIP: its control blocks, and what its task does. The calls of the socket
// interface in lwip.c hold the mutex while they look at these.
#ifndef SIMBOARD_TCP_H
#define SIMBOARD_TCP_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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

// And closed ones that still have something to deliver.
#define PCBS (SOCKETS + 16)
extern pcb_t tcp_pcbs[PCBS];
extern pthread_mutex_t tcp_mutex;

// Do what lwIP's task would have done by now. The mutex is held, as in all of the following.
void tcp_step(void);
// Begin the task; once.
void tcp_start(void);
// Wait until something has changed; a few milliseconds at most, for what else may happen in a
// MicroPython program is only seen by looking again.
void tcp_wait(int milliseconds);

// The number that newlib has for an error of the host's; a refused connection is a reset, as seen
// on the chip.
int tcp_error(int error);
// Whether a frame can be received now. Nothing in it is kept.
bool tcp_frame_fits(void);
// A segment with a block of so many bytes; NULL when there is none.
segment_t *tcp_new_segment(size_t size, const void *data, size_t length);
void tcp_append(segment_t **list, segment_t *segment);
void tcp_drop_first(segment_t **list);
void tcp_drop_received(pcb_t *pcb);
void tcp_release(pcb_t *pcb);

#endif
