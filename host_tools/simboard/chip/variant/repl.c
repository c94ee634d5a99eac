// The REPL of boards, with the raw one, in place of the unix port's.

#include <stdio.h>

#include "py/mphal.h"
#include "shared/readline/readline.h"
#include "shared/runtime/pyexec.h"

int chip_repl(void) {
    mp_hal_stdio_mode_raw();
    int ret = 0;
    while (ret == 0) {
        ret = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
    }
    mp_hal_stdio_mode_orig();
    return 0;
}
