# MicroPython with the heaps of an ESP32; built by `make chip`.
FROZEN_MANIFEST = $(VARIANT_DIR)/manifest.py
MICROPY_FORCE_32BIT = 1

MICROPY_PY_THREAD_GIL = 1
MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_TERMIOS = 0
# The module is the ESP32's, esp32_modsocket.c, over a model of lwIP.
MICROPY_PY_SOCKET = 0
INC += -I$(VARIANT_DIR)/include
LDFLAGS += -Wl,--wrap=mp_thread_create -Wl,--wrap=mp_thread_finish
MICROPY_VFS_FAT = 1
MICROPY_VFS_LFS1 = 0
MICROPY_VFS_LFS2 = 1

# Certificates end after 2038; MicroPython 1.26 has this by itself.
CFLAGS += -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64

MBEDTLS_CONFIG_FILE = \"chip_mbedtls.h\"

# The names of the ESP32's image.
QSTR_DEFS += $(VARIANT_DIR)/names.h
SHARED_SRC_C_EXTRA += runtime/pyexec.c netutils/netutils.c
