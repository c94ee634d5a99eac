// The module _chip: how fake modules and tests act on the model.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "py/mperrno.h"
#include "py/qstr.h"
#include "py/runtime.h"
#include "chip_time.h"
#include "fakes.h"
#include "idf_heap.h"

#define TAKEN (1024)

// Wi-Fi takes 42,000 bytes, in many blocks: it fills what is left of the first region, where
// small pieces remain, and takes the rest of the large one.
#define WIFI_BLOCKS       (29)
#define WIFI_LARGE_BLOCKS (25)
#define WIFI_LARGE        (1600 - 4)
#define WIFI_SMALL        (500 - 4)

size_t chip_fakes;
static void *wifi[WIFI_BLOCKS];
static void *taken[TAKEN];
static long long clock_offset; // seconds

static void wifi_off(void) {
    for (int i = 0; i < WIFI_BLOCKS; i++) {
        idf_free(wifi[i]);
        wifi[i] = NULL;
    }
}

static bool wifi_on(void) {
    for (int i = 0; i < WIFI_BLOCKS; i++) {
        if (!wifi[i]) {
            wifi[i] = idf_malloc(i < WIFI_LARGE_BLOCKS ? WIFI_LARGE : WIFI_SMALL);
        }
        if (!wifi[i]) {
            wifi_off();
            return false;
        }
    }
    return true;
}

// `wifi(on)`: take or give back what the radio needs. OSError when there is not enough.
static mp_obj_t chip_wifi(mp_obj_t on) {
    if (!mp_obj_is_true(on)) {
        wifi_off();
    } else if (!wifi_on()) {
        mp_raise_OSError(MP_ENOMEM);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_wifi_obj, chip_wifi);

// `take(size)`: take one block; its number, for `give`.
static mp_obj_t chip_take(mp_obj_t size) {
    for (int i = 0; i < TAKEN; i++) {
        if (!taken[i]) {
            taken[i] = idf_malloc(mp_obj_get_int(size));
            if (!taken[i]) {
                mp_raise_OSError(MP_ENOMEM);
            }
            return MP_OBJ_NEW_SMALL_INT(i);
        }
    }
    mp_raise_OSError(MP_ENFILE);
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_take_obj, chip_take);

static mp_obj_t chip_give(mp_obj_t number_in) {
    mp_int_t number = mp_obj_get_int(number_in);
    if (number < 0 || number >= TAKEN || !taken[number]) {
        mp_raise_ValueError(MP_ERROR_TEXT("not taken"));
    }
    idf_free(taken[number]);
    taken[number] = NULL;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_give_obj, chip_give);

// `clock(seconds)`: how far the board's clock, by which certificates are judged, is from the host's.
static mp_obj_t chip_clock(mp_obj_t seconds) {
    clock_offset = mp_obj_get_int(seconds);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_clock_obj, chip_clock);

// The clock that mbedTLS asks. CHIP_CLOCK names a file that holds such a distance, for programs
// without the fake `time`.
time_t chip_time(time_t *where) {
    long long offset = clock_offset;
    const char *name = getenv("CHIP_CLOCK");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        if (fscanf(file, "%lld", &offset) != 1) {
            offset = 0;
        }
        fclose(file);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += offset;
    if (where) {
        *where = now.tv_sec;
    }
    return now.tv_sec;
}

// Seconds since 1970 of a number that a board would count from 2000, in 32 bits.
time_t chip_seconds(mp_obj_t since_1970) {
    mp_obj_t epoch = mp_obj_new_int(946684800);
    mp_obj_t since_2000 = mp_binary_op(MP_BINARY_OP_SUBTRACT, since_1970, epoch);
    return (time_t)mp_obj_get_int(since_2000) + 946684800;
}

// `fakes(size)`: so many bytes of the heap belong to the fake modules. The names of the program
// begin with a pool as small as after boot: pools double, and it must pay no other steps.
static mp_obj_t chip_fakes_fun(mp_obj_t size) {
    chip_fakes = mp_obj_get_int(size);
    size_t full = 10; // MICROPY_ALLOC_QSTR_ENTRIES_INIT of py/qstr.c
    qstr_pool_t *before = MP_STATE_VM(last_pool);
    qstr_pool_t *pool = calloc(1, sizeof(qstr_pool_t) + full * sizeof(char *));
    pool->hashes = calloc(full, sizeof(qstr_hash_t));
    pool->lengths = calloc(full, sizeof(qstr_len_t));
    for (size_t i = 0; i < full; i++) {
        pool->qstrs[i] = "\x01";
        pool->lengths[i] = 1;
    }
    pool->prev = before;
    pool->total_prev_len = before->total_prev_len + before->len;
    pool->alloc = pool->len = full;
    MP_STATE_VM(chip_pool) = before; // the collector does not look into ours
    MP_STATE_VM(last_pool) = pool;
    MP_STATE_VM(qstr_last_chunk) = NULL;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_fakes_obj, chip_fakes_fun);
MP_REGISTER_ROOT_POINTER(void *chip_pool);

// For programs without the fake `network`: CHIP_WIFI=1 has the radio on from the start.
void chip_start(void) {
    const char *on = getenv("CHIP_WIFI");
    if (on && on[0] == '1') {
        wifi_on();
    }
}

static const mp_rom_map_elem_t chip_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__chip) },
    { MP_ROM_QSTR(MP_QSTR_wifi), MP_ROM_PTR(&chip_wifi_obj) },
    { MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&chip_take_obj) },
    { MP_ROM_QSTR(MP_QSTR_give), MP_ROM_PTR(&chip_give_obj) },
    { MP_ROM_QSTR(MP_QSTR_clock), MP_ROM_PTR(&chip_clock_obj) },
    { MP_ROM_QSTR(MP_QSTR_fakes), MP_ROM_PTR(&chip_fakes_obj) },
};
static MP_DEFINE_CONST_DICT(chip_globals, chip_globals_table);

const mp_obj_module_t mp_module_chip = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&chip_globals,
};

MP_REGISTER_MODULE(MP_QSTR__chip, mp_module_chip);
