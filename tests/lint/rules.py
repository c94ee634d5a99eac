"""What MicroPython 1.23 on an ESP32 lacks or does otherwise: tables to read, and to add to.

`since` is the first version that has a thing, None when no version has it (up to 1.29). Sources:
the release notes of 1.24 to 1.28; the names of the firmware ESP32_GENERIC v1.23.0; and each
sample, run on 1.25, 1.26 and 1.29 (the tests repeat it on what they have).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple

OLDEST = "1.23"

# Names of ours, and of the user's: never looked up here.
OURS = frozenset({"webpubsub", "chargepoint", "firmware", "app"})

# Module -> what the image ESP32_GENERIC v1.23.0 has in it. A module or name that is not here is
# refused, unless the code asks for it (`try: import`, `hasattr`): look it up in that version,
# then add it.
MODULES = {
    "_thread": "LockType allocate_lock exit get_ident stack_size start_new_thread",
    "array": "array",
    "asyncio": "CancelledError Event IOQueue Lock Loop StreamReader StreamWriter Task "
    "ThreadSafeFlag TimeoutError core create_task current_task gather get_event_loop "
    "new_event_loop open_connection run sleep sleep_ms start_server stream ticks_add ticks_diff "
    "wait_for wait_for_ms",
    "binascii": "a2b_base64 b2a_base64 crc32 hexlify unhexlify",
    "builtins": "isinstance len str",
    "collections": "OrderedDict deque namedtuple",
    "deflate": "AUTO DeflateIO GZIP RAW ZLIB",
    "errno": "EACCES EADDRINUSE EAGAIN EALREADY EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST "
    "EHOSTUNREACH EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM ENOTCONN "
    "EOPNOTSUPP EPERM ETIMEDOUT errorcode",
    "esp32": "HEAP_DATA HEAP_EXEC NVS Partition RMT ULP WAKEUP_ALL_LOW WAKEUP_ANY_HIGH "
    "gpio_deep_sleep_hold idf_heap_info raw_temperature wake_on_ext0 wake_on_ext1 wake_on_touch "
    "wake_on_ulp",
    "gc": "collect disable enable isenabled mem_alloc mem_free threshold",
    "hashlib": "md5 sha1 sha256",
    "io": "BufferedWriter BytesIO IOBase StringIO open",
    "json": "dump dumps load loads",
    "machine": "ADC DAC DEEPSLEEP DEEPSLEEP_RESET HARD_RESET I2C PWM PWRON_RESET Pin RTC "
    "SOFT_RESET SPI Signal SoftI2C SoftSPI Timer UART WDT WDT_RESET deepsleep disable_irq "
    "enable_irq freq idle lightsleep reset reset_cause sleep soft_reset time_pulse_us unique_id "
    "wake_reason",
    "micropython": "alloc_emergency_exception_buf const heap_lock heap_locked heap_unlock "
    "kbd_intr mem_info native opt_level qstr_info schedule stack_use viper",
    "mip": "install",
    "network": "AP_IF AUTH_OPEN LAN PHY_DM9051 PHY_DP83848 PHY_IP101 PHY_KSZ8041 PHY_KSZ8081 "
    "PHY_KSZ8851SNL PHY_LAN8710 PHY_LAN8720 PHY_RTL8201 PHY_W5500 STAT_ASSOC_FAIL "
    "STAT_BEACON_TIMEOUT STAT_CONNECTING STAT_GOT_IP STAT_HANDSHAKE_TIMEOUT STAT_IDLE "
    "STAT_NO_AP_FOUND STAT_WRONG_PASSWORD STA_IF WLAN country hostname phy_mode",
    "os": "VfsFat VfsLfs2 chdir dupterm dupterm_notify getcwd ilistdir listdir mkdir mount remove "
    "rename rmdir stat statvfs sync umount uname unlink urandom",
    "random": "choice getrandbits randint random randrange seed uniform",
    "select": "POLLERR POLLHUP POLLIN POLLOUT poll select",
    "socket": "AF_INET AF_INET6 IPPROTO_IP IPPROTO_TCP IPPROTO_UDP IP_ADD_MEMBERSHIP SOCK_DGRAM "
    "SOCK_RAW SOCK_STREAM SOL_SOCKET SO_BINDTODEVICE SO_BROADCAST SO_REUSEADDR TCP_NODELAY "
    "getaddrinfo socket",
    "ssl": "CERT_NONE CERT_OPTIONAL CERT_REQUIRED MBEDTLS_VERSION PROTOCOL_TLS_CLIENT "
    "PROTOCOL_TLS_SERVER SSLContext wrap_socket",
    "struct": "calcsize pack pack_into unpack unpack_from",
    "sys": "argv byteorder exit implementation maxsize modules path platform print_exception ps1 "
    "ps2 stderr stdin stdout version version_info",
    "time": "gmtime localtime mktime sleep sleep_ms sleep_us ticks_add ticks_cpu ticks_diff "
    "ticks_ms ticks_us time time_ns",
    "tls": "CERT_NONE CERT_OPTIONAL CERT_REQUIRED MBEDTLS_VERSION PROTOCOL_TLS_CLIENT "
    "PROTOCOL_TLS_SERVER SSLContext",
    "vfs": "VfsFat VfsLfs2 mount umount",
}


class Absent(NamedTuple):
    """What a name lacks for us: the version it came with, and what to write in its place."""

    since: str | None
    remedy: str


_CATCH = Absent(None, "catch OSError and look at its errno")
# Built-in names of CPython that MicroPython has not.
BUILTINS = {
    "ConnectionError": _CATCH,
    "ConnectionRefusedError": _CATCH,
    "ConnectionResetError": _CATCH,
    "ConnectionAbortedError": _CATCH,
    "BrokenPipeError": _CATCH,
    "BlockingIOError": _CATCH,
    "FileExistsError": _CATCH,
    "FileNotFoundError": _CATCH,
    "InterruptedError": _CATCH,
    "IOError": _CATCH,
    "IsADirectoryError": _CATCH,
    "NotADirectoryError": _CATCH,
    "PermissionError": _CATCH,
    "TimeoutError": Absent(None, "catch asyncio.TimeoutError, or OSError"),
    "ModuleNotFoundError": Absent(None, "catch ImportError"),
    "RecursionError": Absent(None, "catch RuntimeError"),
    "UnboundLocalError": Absent(None, "catch NameError"),
    "UnicodeDecodeError": Absent(None, "catch UnicodeError"),
    "UnicodeEncodeError": Absent(None, "catch UnicodeError"),
    "ExceptionGroup": Absent(None, "raise one of them"),
    "Warning": Absent(None, "print a line"),
    "aiter": Absent(None, "call __aiter__"),
    "anext": Absent(None, "call __anext__"),
    "ascii": Absent(None, "use repr"),
    "format": Absent(None, "use the operator % or str.format"),
    "vars": Absent(None, "use dir and getattr"),
}

# Methods and attributes, on whatever object.
ATTRIBUTES = {
    "_build": Absent("1.25", "getattr(sys.implementation, '_build', '')"),
    "__code__": Absent("1.25", "keep the source, or call the function"),
    "ipconfig": Absent("1.24", "use ifconfig, which stays"),
    "removeprefix": Absent(None, "compare with startswith, then slice"),
    "removesuffix": Absent(None, "compare with endswith, then slice"),
    "casefold": Absent(None, "use lower"),
    "capitalize": Absent(None, "upper for the first character, and a slice"),
    "title": Absent(None, "write it out"),
    "swapcase": Absent(None, "write it out"),
    "isalnum": Absent(None, "isalpha or isdigit, character by character"),
    "isascii": Absent(None, "compare characters with '\\x80'"),
    "isdecimal": Absent(None, "use isdigit"),
    "isidentifier": Absent(None, "look at the characters"),
    "isnumeric": Absent(None, "use isdigit"),
    "isprintable": Absent(None, "compare characters with ' ' and '\\x7f'"),
    "ljust": Absent(None, "use '%-8s' %"),
    "rjust": Absent(None, "use '%8s' %"),
    "zfill": Absent(None, "use '%08d' %"),
    "expandtabs": Absent(None, "use replace"),
    "format_map": Absent(None, "use the operator % with a dict"),
    "maketrans": Absent(None, "use replace"),
    "translate": Absent(None, "use replace"),
    "bit_count": Absent(None, "count in a loop"),
    "bit_length": Absent(None, "count in a loop"),
    "is_integer": Absent(None, "compare with int(x)"),
    "itemsize": Absent(None, "know the type of the items"),
    "tobytes": Absent(None, "use bytes(view)"),
    "toreadonly": Absent(None, "use bytes(view)"),
    "strerror": Absent(None, "print the error itself"),
    "filename": Absent(None, "name the file in your own text"),
    "with_traceback": Absent(None, "sys.print_exception prints it"),
    "add_note": Absent(None, "put it into the text of the error"),
    "__cause__": Absent(None, "keep the first error in an attribute of yours"),
    "__context__": Absent(None, "keep the first error in an attribute of yours"),
    "__traceback__": Absent(None, "sys.print_exception prints it"),
    "__doc__": Absent(None, "the compiler leaves docstrings out"),
    "__annotations__": Absent(None, "the compiler leaves annotations out"),
    "__qualname__": Absent(None, "use __name__"),
    "__wrapped__": Absent(None, "keep the function yourself"),
}

# (function or method, keyword argument).
KEYWORDS = {
    ("dumps", "indent"): Absent(None, "no indentation there"),
    ("dumps", "ensure_ascii"): Absent(None, "characters are written as they are"),
    ("dumps", "sort_keys"): Absent(None, "sort before"),
    ("from_bytes", "signed"): Absent(None, "subtract 1 << bits when the top bit is set"),
    ("to_bytes", "signed"): Absent("1.27 or later", "add 1 << bits to what is negative"),
    ("int", "base"): Absent(None, "give it by position"),
    ("print", "flush"): Absent(None, "leave it out: print writes at once"),
    ("sum", "start"): Absent(None, "give it by position"),
    ("zip", "strict"): Absent(None, "compare the lengths"),
    ("split", "maxsplit"): Absent(None, "give it by position"),
    ("encode", "encoding"): Absent(None, "leave it out: it is UTF-8"),
    ("decode", "encoding"): Absent(None, "leave it out: it is UTF-8"),
}

# Methods that a class defines and MicroPython never calls, or newer versions only.
HOOKS = {
    "__init_subclass__": Absent(None, "call a function after the class"),
    "__set_name__": Absent("1.26", "give the name to the constructor"),
    "__class_getitem__": Absent(None, "no types in device code"),
}


class Rule(NamedTuple):
    """One thing that tells itself by its form.

    Attributes:
        name: of the rule.
        since: first version that has it; None when none has.
        remedy: what to write instead.
        finds: whether a node of the syntax tree is it.
        bad: a sample that the rule finds, and which fails where it is not there.
        good: the same by the remedy.
    """

    name: str
    since: str | None
    remedy: str
    finds: Callable[[ast.AST], bool]
    bad: str
    good: str


def _calls(node: ast.AST, *names: str) -> ast.Call | None:
    """A call of a function or method of one of these names."""
    if isinstance(node, ast.Call):
        function = node.func
        name = getattr(function, "attr", getattr(function, "id", None))
        if name in names:
            return node
    return None


def _prefix_tuple(node: ast.AST) -> bool:
    call = _calls(node, "startswith", "endswith")
    return call is not None and bool(call.args) and isinstance(call.args[0], ast.Tuple)


def _prefix_range(node: ast.AST) -> bool:
    # startswith takes a start from the beginning on, but no end.
    one, both = _calls(node, "endswith"), _calls(node, "startswith")
    return bool((one and len(one.args) > 1) or (both and len(both.args) > 2))


def _next_default(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "next"
        and len(node.args) == 2
    )


def _byte_order(node: ast.AST) -> bool:
    call = _calls(node, "to_bytes", "from_bytes")
    if call is None or any(word.arg == "byteorder" for word in call.keywords):
        return False
    return len(call.args) < 2


def _view_length(node: ast.AST) -> bool:
    call = _calls(node, "len", "bool")
    return bool(call and call.args and _calls(call.args[0], "keys", "values", "items"))


def _mount_table(node: ast.AST) -> bool:
    call = _calls(node, "mount")
    return bool(call and not call.args and not call.keywords)


def _group_marks(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and any(f"{mark}{kind}}}" in node.value for mark in ("{:_", ":_") for kind in "bdoxX")
    )


def _deque_without_length(node: ast.AST) -> bool:
    call = _calls(node, "deque")
    return bool(call and len(call.args) < 2 and "maxlen" not in [w.arg for w in call.keywords])


def _rsplit_blanks(node: ast.AST) -> bool:
    call = _calls(node, "rsplit")
    return bool(call and len(call.args) > 1 and getattr(call.args[0], "value", "") is None)


def _positional_only(node: ast.AST) -> bool:
    return isinstance(node, ast.arguments) and bool(node.posonlyargs)


def _async_comprehension(node: ast.AST) -> bool:
    return isinstance(node, ast.comprehension) and bool(node.is_async)


def _async_generator(node: ast.AST) -> bool:
    if not isinstance(node, ast.AsyncFunctionDef):
        return False
    inner = [child for statement in node.body for child in _same_function(statement)]
    return any(isinstance(child, (ast.Yield, ast.YieldFrom)) for child in inner)


def _same_function(node: ast.AST) -> list[ast.AST]:
    """A node and what is below it, without the functions that begin there."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    return [node, *(found for c in ast.iter_child_nodes(node) for found in _same_function(c))]


def _metaclass(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and bool(node.keywords)


def _starred_display(node: ast.AST) -> bool:
    if isinstance(node, ast.Dict):
        return None in node.keys
    is_display = isinstance(node, ast.Set) or (
        isinstance(node, (ast.Tuple, ast.List)) and isinstance(node.ctx, ast.Load)
    )
    return is_display and any(isinstance(item, ast.Starred) for item in node.elts)


def _any_decorator(node: ast.AST) -> bool:
    def is_dotted(part: ast.expr) -> bool:
        if isinstance(part, ast.Call):
            part = part.func
        while isinstance(part, ast.Attribute):
            part = part.value
        return isinstance(part, ast.Name)

    return not all(map(is_dotted, getattr(node, "decorator_list", ())))


def _exits(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise) and node.exc is not None:
        return ast.unparse(node.exc).partition("(")[0] == "SystemExit"
    return _calls(node, "exit") is not None


def _is(*kinds: str) -> Callable[[ast.AST], bool]:
    return lambda node: type(node).__name__ in kinds


RULES = (
    Rule("tuple-prefix", "1.25", "one call for each",
         _prefix_tuple, "'abc'.startswith(('a', 'b'))", "'abc'.startswith('a')"),
    Rule("prefix-range", "1.25", "slice first",
         _prefix_range, "'abc'.endswith('b', 0, 2)", "'abc'[0:2].endswith('b')"),
    Rule("next-default", "1.25", "a loop, or catch StopIteration",
         _next_default, "next(iter([]), 1)", "for x in []:\n    break"),
    Rule("byte-order", "1.24", "name it: 'big' or 'little'",
         _byte_order, "int.from_bytes(b'12')", "int.from_bytes(b'12', 'big')"),
    Rule("exit", "1.24", "return, or machine.reset(): only later versions reset by it",
         _exits, "raise SystemExit", "pass"),
    Rule("mount-table", "1.25", "os.listdir('/')",
         _mount_table, "import vfs\nvfs.mount()", "import os\nos.listdir('/')"),
    Rule("group-marks", "1.26", "no marks between digits",
         _group_marks, "'{:_x}'.format(1 << 30)", "'{:x}'.format(1 << 30)"),
    Rule("view-length", "1.27", "ask the dict itself",
         _view_length, "len({1: 2}.keys())", "len({1: 2})"),
    Rule("deque-length", None, "give it a length: deque((), 8)",
         _deque_without_length, "from collections import deque\ndeque()",
         "from collections import deque\ndeque((), 8)"),
    Rule("rsplit-blanks", None, "split, or name the separator",
         _rsplit_blanks, "'a b'.rsplit(None, 1)", "'a b'.rsplit(' ', 1)"),
    Rule("positional-only", None, "leave the / out",
         _positional_only, "def f(a, /):\n    return a", "def f(a):\n    return a"),
    Rule("match", None, "if and elif",
         _is("Match"), "match 1:\n    case 1:\n        pass", "if 1 == 1:\n    pass"),
    Rule("except-group", None, "except",
         _is("TryStar"), "try:\n    pass\nexcept* ValueError:\n    pass",
         "try:\n    pass\nexcept ValueError:\n    pass"),
    Rule("async-comprehension", None, "a loop",
         _async_comprehension, "async def f(y):\n    return [x async for x in y]",
         "async def f(y):\n    async for x in y:\n        pass"),
    Rule("async-generator", None, "a class with __aiter__ and __anext__",
         _async_generator,
         "async def f():\n    yield 1\nassert hasattr(f(), '__aiter__')",
         "async def f():\n    return 1"),
    Rule("metaclass", None, "call a function after the class",
         _metaclass, "class A(metaclass=type):\n    pass", "class A:\n    pass"),
    Rule("starred-display", None, "add them up",
         _starred_display, "a = [1]\n(*a, 1)", "a = [1]\ntuple(a) + (1,)"),
    Rule("any-decorator", None, "give the decorator a name first",
         _any_decorator, "x = [lambda f: f]\n@x[0]\ndef f():\n    pass",
         "x = lambda f: f\n@x\ndef f():\n    pass"),
)  # fmt: skip
