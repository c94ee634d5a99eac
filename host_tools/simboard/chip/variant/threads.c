// A thread's stack is one block of the IDF heap, of exactly its size; its control block another one.

#include <pthread.h>

#include "py/mpthread.h"
#include "py/runtime.h"
#include "idf_heap.h"

// Of ports/esp32/mpthreadport.c.
#define MIN_STACK     (4 * 1024)
#define DEFAULT_STACK (MIN_STACK + 1024)
// What the thread really runs on: frames of this processor are larger.
#define HOST_STACK    (64 * 1024)
#define THREADS       (32)
#define CONTROL_BLOCK (196)

typedef struct {
    mp_uint_t id;
    void *stack, *control;
} thread_t;

static thread_t threads[THREADS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

mp_uint_t __real_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size);
void __real_mp_thread_finish(void);

mp_uint_t __wrap_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size) {
    size_t size = *stack_size ? MAX(*stack_size, MIN_STACK) : DEFAULT_STACK;
    thread_t *thread = NULL;
    pthread_mutex_lock(&mutex);
    for (thread_t *one = threads; one < threads + THREADS && !thread; one++) {
        thread = one->stack ? NULL : one;
    }
    if (thread) {
        thread->control = idf_malloc(CONTROL_BLOCK);
        thread->stack = thread->control ? idf_malloc(size) : NULL;
    }
    if (!thread || !thread->stack) {
        if (thread) {
            idf_free(thread->control);
        }
        pthread_mutex_unlock(&mutex);
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("can't create thread"));
    }
    *stack_size = HOST_STACK;
    thread->id = __real_mp_thread_create(entry, arg, stack_size);
    pthread_mutex_unlock(&mutex);
    return thread->id;
}

void __wrap_mp_thread_finish(void) {
    mp_uint_t id = mp_thread_get_id();
    __real_mp_thread_finish();
    pthread_mutex_lock(&mutex);
    for (thread_t *thread = threads; thread < threads + THREADS; thread++) {
        if (thread->stack && thread->id == id) {
            idf_free(thread->stack);
            idf_free(thread->control);
            thread->stack = NULL;
        }
    }
    pthread_mutex_unlock(&mutex);
}
