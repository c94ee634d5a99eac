"""What must not be printed back: a person may have given a secret where its place was meant.

Scripts are logged, and so is what a tool says about its arguments.
"""

from __future__ import annotations

import re
from pathlib import Path

_NOT_SHOWN = "(not shown)"
# POSIX, "Environment Variables": capitals, digits and underscores. Keys of one piece look like
# that, too; what has an underscore, or is shorter than any key or password, does not.
_VARIABLE = re.compile(r"_?[A-Z][A-Z0-9]{0,15}(_[A-Z0-9]{1,16})*")
_SHORTEST_SECRET = 8
# Parts of a path; "=", ":", ";", "&" and "?" are parts of keys, URLs and connection strings.
_PATH = re.compile(r"([A-Za-z]:)?[\w .~+@/\\-]{1,1024}")
_ENDING = re.compile(r"[\w -]{1,64}\.[a-z][a-z0-9]{0,7}")
_SECRET_NAME = re.compile(r"(?i)key|secret|token|pass|pwd|code|pin$|sig|auth|cred")
_SHAPES = (
    # A URL on the command line has been a path in the meantime: one slash is left.
    (re.compile(r"(?i)\b((?:wss?|https?|rfc2217)://?)[^\s/@'\"]+@"), r"\1...@"),
    (
        re.compile(
            r"(?i)\b(\w*(?:accesskey|access_key|access_token|reconnection_token|password|secret))"
            r"=(?!\.\.\.)[^\s;&'\"]+"
        ),
        r"\1=...",
    ),
    # A JSON Web Token: its header is an object, which begins like this in base64.
    (re.compile(r"\beyJ[\w-]{6,}(?:\.[\w-]*){0,2}"), _NOT_SHOWN),
)


def concealed(text: str) -> str:
    """A text without what is a secret by its shape: keys, tokens, passwords in URLs."""
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def is_variable_name(text: str) -> bool:
    """Whether a text is the name of an environment variable, and nothing that could be a key."""
    return _VARIABLE.fullmatch(text) is not None and ("_" in text or len(text) < _SHORTEST_SECRET)


def is_path(text: str) -> bool:
    """Whether a text is the path of a file, and nothing that could be a key.

    What is there is a path, and so is what has the ending of a file, or is in a folder that is
    there; what is shorter than any key or password may be one.
    """
    if not _PATH.fullmatch(text):
        return False
    path = Path(text)
    if _ENDING.fullmatch(path.name) or len(text) < _SHORTEST_SECRET:
        return True
    try:
        return path.exists() or (len(path.parts) > 1 and path.parent.is_dir())
    except OSError:
        return False


def is_secret_name(name: str) -> bool:
    """Whether a parameter is called what secrets are called, such as "key" or "apiToken"."""
    return _SECRET_NAME.search(name) is not None


def shown_words(words: list[str]) -> str:
    """Words of a command line that nobody expected: options by their names, values not at all.

    Args:
        words: the first one is an option, or stands alone.
    """
    shown = []
    after_option = False
    for word in words:
        if word.startswith("-"):
            shown.append(word.partition("=")[0])
        elif after_option or not is_path(word):
            shown.append(_NOT_SHOWN)
        else:
            shown.append(word)
        after_option = word.startswith("-")
    return " ".join(shown)
