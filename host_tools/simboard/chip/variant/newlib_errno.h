// The numbers of newlib, which the chip's C library gives its network errors.
#ifndef SIMBOARD_NEWLIB_ERRNO_H
#define SIMBOARD_NEWLIB_ERRNO_H

#include <errno.h>

#define NEWLIB_EOPNOTSUPP    (95)
#define NEWLIB_ECONNRESET    (104)
#define NEWLIB_ENOBUFS       (105)
#define NEWLIB_EADDRINUSE    (112)
#define NEWLIB_ECONNABORTED  (113)
#define NEWLIB_ETIMEDOUT     (116)
#define NEWLIB_EHOSTUNREACH  (118)
#define NEWLIB_EINPROGRESS   (119)
#define NEWLIB_EALREADY      (120)
#define NEWLIB_ENOTCONN      (128)

// Everything of MicroPython's uses them; the files that ask the host's kernel do not.
#ifndef CHIP_HOST_ERRNO
#undef EADDRINUSE
#undef ECONNABORTED
#undef ETIMEDOUT
#undef EHOSTUNREACH
#undef EINPROGRESS
#undef EALREADY
#undef ENOTCONN
#define EADDRINUSE    NEWLIB_EADDRINUSE
#define ECONNABORTED  NEWLIB_ECONNABORTED
#define ETIMEDOUT     NEWLIB_ETIMEDOUT
#define EHOSTUNREACH  NEWLIB_EHOSTUNREACH
#define EINPROGRESS   NEWLIB_EINPROGRESS
#define EALREADY      NEWLIB_EALREADY
#define ENOTCONN      NEWLIB_ENOTCONN
#endif

#endif
