// The module esp32, as far as it tells of memory.

#include "py/runtime.h"
#include "idf_heap.h"
#include "lwip_model.h"

#define HEAP_DATA (4)
#define HEAP_EXEC (1)

// (total, free, largest free block, least ever free) of each region, bytes.
static mp_obj_t esp32_idf_heap_info(mp_obj_t capabilities_in) {
    mp_int_t capabilities = mp_obj_get_int(capabilities_in);
    lwip_poll();
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (int region = 0; region < IDF_REGIONS; region++) {
        idf_heap_info_t info;
        idf_heap_info(region, &info);
        if (capabilities & HEAP_EXEC) {
            continue; // the blocks that can hold code are another heap, not modelled
        }
        mp_obj_t items[] = {
            MP_OBJ_NEW_SMALL_INT(info.total),
            MP_OBJ_NEW_SMALL_INT(info.free),
            MP_OBJ_NEW_SMALL_INT(info.largest),
            MP_OBJ_NEW_SMALL_INT(info.minimum),
        };
        mp_obj_list_append(list, mp_obj_new_tuple(4, items));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(esp32_idf_heap_info_obj, esp32_idf_heap_info);

static const mp_rom_map_elem_t esp32_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_esp32) },
    { MP_ROM_QSTR(MP_QSTR_idf_heap_info), MP_ROM_PTR(&esp32_idf_heap_info_obj) },
    { MP_ROM_QSTR(MP_QSTR_HEAP_DATA), MP_ROM_INT(HEAP_DATA) },
    { MP_ROM_QSTR(MP_QSTR_HEAP_EXEC), MP_ROM_INT(HEAP_EXEC) },
};
static MP_DEFINE_CONST_DICT(esp32_globals, esp32_globals_table);

const mp_obj_module_t mp_module_esp32 = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&esp32_globals,
};

MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_esp32, mp_module_esp32);
