// MicroPython as ports/esp32/mpconfigport.h configures it, as far as a unix process can have it.
// What differs in heap behaviour from the other unix variants is here; see docs/chip-model.md.

#define MICROPY_HW_BOARD_NAME    "Generic ESP32 module"
#define MICROPY_HW_MCU_NAME      "ESP32"
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// Python's heap: an area of 56,000 usable bytes that grows into the IDF heap.
#include <stddef.h>
#define MICROPY_GC_INITIAL_HEAP_SIZE (56 * 1024)
#define MICROPY_GC_SPLIT_HEAP        (1)
#define MICROPY_GC_SPLIT_HEAP_AUTO   (1)
void *chip_alloc_area(size_t size);
void chip_free_area(void *area);
#define MP_PLAT_ALLOC_HEAP(size)     chip_alloc_area(size)
#define MP_PLAT_FREE_HEAP(area)      chip_free_area(area)

// As on the ESP32.
#define MICROPY_FLOAT_IMPL                 (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_LONGINT_IMPL               (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_ERROR_REPORTING            (MICROPY_ERROR_REPORTING_NORMAL)
#define MICROPY_WARNINGS                   (1)
#define MICROPY_STREAMS_POSIX_API          (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_PERSISTENT_CODE_LOAD       (1)
#define MICROPY_OPT_COMPUTED_GOTO          (1)
#define MICROPY_SCHEDULER_DEPTH            (8)
#define MICROPY_PY_STR_BYTES_CMP_WARN      (1)
#define MICROPY_PY_ALL_INPLACE_SPECIAL_METHODS (1)
#define MICROPY_PY_IO_BUFFEREDWRITER       (1)
#define MICROPY_PY_HASHLIB_MD5             (1)
#define MICROPY_PY_HASHLIB_SHA1            (1)
#define MICROPY_PY_HASHLIB_SHA256          (1)
#define MICROPY_PY_CRYPTOLIB               (1)
#define MICROPY_PY_WEBSOCKET               (1)
#define MICROPY_PY_OS_URANDOM              (1)
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC   (mp_random_seed_init())
#define MICROPY_PY_THREAD_GIL_VM_DIVISOR   (32)
// asyncio's poller asks each object itself, as there.
#define MICROPY_PY_SELECT_POSIX_OPTIMISATIONS (0)

#define MICROPY_PY_WEBREPL                 (1)
#define MICROPY_PY_SOCKET_EVENTS           (1)
#define MICROPY_HW_ENABLE_MDNS_QUERIES     (0)
#include "newlib_errno.h"

// What a unix process needs, and simboard's fake modules hide.
#define MICROPY_DEBUG_PRINTERS             (1)
#define MICROPY_ASYNC_KBD_INTR             (0)
#define MICROPY_FLOAT_USE_NATIVE_FLT16     (0)
#define MICROPY_PY_OS_INCLUDEFILE          "ports/unix/modos.c"
#define MICROPY_PY_OS_GETENV_PUTENV_UNSETENV (1)
#define MICROPY_PY_OS_SYSTEM               (1)
#define MICROPY_PY_OS_ERRNO                (1)
#define MICROPY_PY_TIME                    (1)
#define MICROPY_PY_TIME_TIME_TIME_NS       (1)
#define MICROPY_PY_TIME_CUSTOM_SLEEP       (1)
#define MICROPY_PY_TIME_INCLUDEFILE        "ports/unix/modtime.c"
#define MICROPY_PY_MACHINE                 (1)
#define MICROPY_PY_MACHINE_PIN_BASE        (1)
#define MICROPY_PY_MACHINE_PULSE           (1)
#define MICROPY_PY_SYS_PATH_DEFAULT        ".frozen"
#define MICROPY_VFS_ROM                    (0)
