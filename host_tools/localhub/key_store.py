"""Where the access keys come from, where they are kept, and how they are replaced at run time."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, cast

from micropython_webpubsub.text_files import read_text

from .auth.keys import AccessKeys, KeyName, generate_key, write_private
from .config import MIN_KEY_LENGTH, Config
from .errors import ConfigError

_log = logging.getLogger("localhub")

_NAMES: tuple[KeyName, ...] = ("primary", "secondary")
_ISSUING = "issuing"
# How soon a key that was edited in a file counts; one stat() per file each time.
WATCH_INTERVAL = 1.0


class KeyStore:
    """The keys of a service: those of the configuration; what it lacks from the state file.

    Keys are only looked at when somebody connects or calls, so replacing one leaves live
    connections alone.

    Args:
        config: names keys, and the state file.

    Raises:
        ConfigError: the state file cannot be read or written.

    Attributes:
        keys: the keys of this moment; the object stays the same.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._state: dict[str, str] = {}
        self._stamps = self._look()
        self._load_state()
        configured = _configured(config)
        self._seen = {name: configured[name] or self._state[name] for name in _NAMES}
        self.keys = AccessKeys(
            self._seen["primary"], self._seen["secondary"], self._state[_ISSUING]
        )

    # -- the state file --------------------------------------------------------------------

    def _load_state(self) -> None:
        """Read the state file; add what it lacks."""
        path = self._config.state_file
        kept = {} if path is None else _read_state(path)
        missing = [name for name in (*_NAMES, _ISSUING) if name not in kept]
        self._state = {**kept, **{name: generate_key() for name in missing}}
        if missing:
            self._save()

    def _save(self) -> None:
        path = self._config.state_file
        if path is None:
            return
        write_private(path, json.dumps(self._state, indent=2).encode() + b"\n")
        self._stamps = self._look()

    # -- rotation --------------------------------------------------------------------------

    def rotate(self, which: KeyName) -> None:
        """Replace one key by a new one, for good; tokens signed with the old one end.

        A key that the configuration file names comes back with the next start.

        Raises:
            ValueError: there is no key of that name.
            ConfigError: the state file cannot be written; the key stays as it was.
        """
        if which not in _NAMES:
            raise ValueError(f"no key '{which}': primary or secondary")
        new, old = generate_key(), self._state[which]
        if not _configured(self._config)[which]:
            self._state[which] = new
            try:
                self._save()
            except ConfigError:
                self._state[which] = old
                raise
            self._seen[which] = new
        setattr(self.keys, which, new)

    def reload(self) -> None:
        """Take over keys that were changed in the configuration or the state file.

        Raises:
            ConfigError: a file is damaged; the keys stay as they are.
        """
        config = self._config if self._config.path is None else Config.load(self._config.path)
        path = self._config.state_file
        state = {} if path is None else _read_state(path)
        configured = _configured(config)
        for name in _NAMES:
            found = configured[name] or state.get(name) or self._state[name]
            if found != self._seen[name]:
                self._seen[name] = found
                setattr(self.keys, name, found)
                _log.info("The %s access key has changed.", name)
        self._state.update(state)

    async def watch(self) -> None:
        """Reload whenever a file changes; runs until cancelled."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            stamps = self._look()
            if stamps == self._stamps:
                continue
            self._stamps = stamps
            try:
                self.reload()
            except ConfigError as error:
                _log.warning("The access keys stay as they are: %s", error)

    @property
    def watches(self) -> bool:
        """Whether there is a file that could change."""
        return bool(self._files())

    def _files(self) -> list[Path]:
        return [path for path in (self._config.path, self._config.state_file) if path is not None]

    def _look(self) -> list[tuple[int, int]]:
        return [_stamp(path) for path in self._files()]


def _configured(config: Config) -> dict[KeyName, str | None]:
    service = config.service
    return {"primary": service.access_key, "secondary": service.secondary_access_key}


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _read_state(path: Path) -> dict[str, str]:
    damaged = ConfigError(f"{path}: damaged state file: delete it to get new keys")
    try:
        state: Any = json.loads(read_text(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: the state file must be readable") from None
    except ValueError:
        raise damaged from None
    if not isinstance(state, dict) or not set(_NAMES) <= set(state):
        raise damaged
    kept = {name: state[name] for name in (*_NAMES, _ISSUING) if name in state}
    if not all(isinstance(key, str) and len(key) >= MIN_KEY_LENGTH for key in kept.values()):
        raise damaged
    return cast(dict[str, str], kept)
