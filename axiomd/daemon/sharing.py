"""What a group of operators needs of an instance's folders, given to it: 03, ``control: {group: NAME}``.

Members trip the latch, so folder, latch and locks are theirs to write; ``daemon.json`` and the journal are theirs to
read. It decides nothing else, and where it is not permitted the daemon trades on without: it says why instead.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from axiomd import latch, presence
from axiomd.config.settings import Places
from axiomd.daemon.locks import KILL_LOCK

STATE_DIR_MODE: Final = 0o2770
"""What is made there later belongs to the group too, whoever makes it."""
RUNTIME_DIR_MODE: Final = 0o750
WRITTEN_MODE: Final = 0o660
READ_MODE: Final = 0o640
FILES: Final = {
    latch.LATCH_FILE: WRITTEN_MODE,
    latch.LOCK_FILE: WRITTEN_MODE,
    KILL_LOCK: WRITTEN_MODE,
    presence.PRESENCE_FILE: READ_MODE,
    latch.JOURNAL_FILE: READ_MODE,
    f"{latch.JOURNAL_FILE}-wal": READ_MODE,
    f"{latch.JOURNAL_FILE}-shm": READ_MODE,
}


def share(places: Places, gid: int) -> str:
    """Give folders and what lies in them to a group; gives why not, nothing where it was done.

    Call it again once files were made: where the folder cannot pass its group on, each is given by itself.
    """
    try:
        _give_state_dir(places.state_dir, gid)
        if places.runtime_dir != places.state_dir:
            _give(places.runtime_dir, gid, RUNTIME_DIR_MODE)
    except OSError as problem:
        return f"{problem.filename}: {problem.strerror}"
    for name, mode in FILES.items():
        with suppress(OSError):  # not there yet, or another's, which is that other's to give
            _give(places.state_dir / name, gid, mode)
    return ""


def _give_state_dir(path: Path, gid: int) -> None:
    try:
        _give(path, gid, STATE_DIR_MODE)
    except PermissionError:
        # a unit with RestrictSUIDSGID may not set that bit; the group its files get is then the unit's own
        _give(path, gid, STATE_DIR_MODE & 0o777)


def _give(path: Path, gid: int, mode: int) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return
    if found.st_gid != gid:
        os.chown(path, -1, gid, follow_symlinks=False)
    if mode & ~path.lstat().st_mode:
        path.chmod(mode)
