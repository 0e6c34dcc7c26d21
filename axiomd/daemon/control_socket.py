"""The control socket as a file: bound where it belongs, open to its owner and one group, never over a live one.

It decides whether the file that lies there is a dead daemon's, which is replaced, or a living one's, which is refused.
It speaks no protocol.
"""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Final

from axiomd.contracts.errors import EXIT_LOCKED, ConfigError, InputError, RefusedError

PATH_BYTES_MAX: Final = 107
"""The kernel's bound on a Unix socket's address, without the final zero."""
MODE_OWNER: Final = 0o600
MODE_GROUP: Final = 0o660


class SocketTaken(RefusedError):
    """Report that another process listens on the socket."""

    exit_code = EXIT_LOCKED


def listen(path: Path, gid: int = -1) -> socket:
    """Bind a socket to `path`, 0600, or 0660 for group `gid`; the caller lets it listen.

    `SocketTaken` where somebody listens there, `InputError` where the path cannot hold a socket.
    """
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise InputError(
            f"the path is longer than {PATH_BYTES_MAX} bytes", str(path), "set AXIOMD_RUNTIME_DIR to a shorter one"
        )
    _clear(path)
    listener = socket(AF_UNIX, SOCK_STREAM)
    try:
        listener.bind(str(path))
        # Nobody can connect between bind and here: the socket does not listen yet.
        if gid >= 0 and path.lstat().st_gid != gid:
            os.chown(path, -1, gid)
        path.chmod(MODE_OWNER if gid < 0 else MODE_GROUP)
        listener.setblocking(False)
    except OSError as problem:
        listener.close()
        raise InputError(
            f"the control socket cannot be made: {problem.strerror}", str(path), "check the folder and its permissions"
        ) from problem
    return listener


def unlink(path: Path, identity: os.stat_result) -> None:
    """Take our socket file away; one that another process has put there since stays."""
    try:
        if os.path.samestat(path.lstat(), identity):
            path.unlink()
    except FileNotFoundError:
        return


def gid_of(group: str) -> int:
    """Give the id of the group that is let in; `ConfigError` where there is none of that name."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(
            f"there is no group {group}", "control.group", "make it with groupadd, or leave the key out"
        ) from None


def _clear(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise InputError("a file that is no socket lies there", str(path), "move it away")
    with socket(AF_UNIX, SOCK_STREAM) as probe:
        # A hung daemon does not accept and its backlog may be full: that is an answer too.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as problem:
            reason = problem.strerror or "no answer"
        else:
            reason = "it answers"
    raise SocketTaken(
        f"another process listens there ({reason})", str(path), "stop it, or run this one as another --instance"
    )
