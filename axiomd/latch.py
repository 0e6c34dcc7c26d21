"""The kill latch as a file: read it, trip it, release it, with the standard library alone.

It decides whether an opening order may leave, in whatever state the daemon is: the sender reads it right before every
send. It must never keep a cancel or a close from going out, and never reads as armed by mistake: torn, unreadable, not
understood or missing beside a journal counts as halt.

One block of 4096 bytes, allocated once and overwritten in place, so that tripping needs no free disk. It is JSON padded
with blanks; a block counts only if it is byte for byte what this module would have written. Trips merge under a lock
in a file of its own. Who cannot have that lock within 200 ms writes all the same, then puts a new file in the place of
the old one, so that a release that hangs with the old one open can no longer undo the trip.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib

from axiomd.bare_json import quoted, scan

BLOCK_BYTES = 4096
LOCK_WAIT_S = 0.2
NAME_LENGTH_MAX = 64
REASON_LENGTH_MAX = 200
"""Longer texts are cut: a character takes up to 12 bytes in JSON, and both must fit the block."""
WRITE_ATTEMPTS_MAX = 5
READ_ATTEMPTS_MAX = 3

LATCH_FILE = "kill.json"
LOCK_FILE = "latch.lock"
JOURNAL_FILE = "journal.sqlite"

ARMED = "ARMED"
TRIPPED = "TRIPPED"
HALT = "halt"
FLATTEN = "flatten"

StrPath = str | os.PathLike[str]

_RANK = {"": 0, HALT: 1, FLATTEN: 2}
_OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class LatchError(OSError):
    """Report that the latch could not be tripped or released."""


class StaleRelease(LatchError):
    """Report a release that names another trip than the one in force; tripped wins."""


class LatchState:
    """Hold what the latch says: ``level`` is "" while armed, else halt or flatten; times are UTC microseconds.

    ``fault`` names why a file that cannot be trusted counts as halt, "" otherwise; such a state has a ``trip_id`` too.
    """

    __slots__ = ("at_us", "by", "fault", "level", "reason", "trip_id")

    def __init__(self, *, level: str, trip_id: str, at_us: int, by: str, reason: str, fault: str = "") -> None:
        assert level in _RANK, level
        self.level = level
        self.trip_id = trip_id
        self.at_us = at_us
        self.by = by
        self.reason = reason
        self.fault = fault

    @property
    def is_tripped(self) -> bool:
        """Say whether opening orders are stopped."""
        return self.level != ""

    @property
    def state(self) -> str:
        """Return ARMED or TRIPPED."""
        return TRIPPED if self.is_tripped else ARMED

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LatchState):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # a state is a finding, not a key

    def __repr__(self) -> str:
        return f"LatchState({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


def read(state_dir: StrPath) -> LatchState:
    """Say what the latch in a state dir means right now; never raises.

    A missing file is armed only where there is no journal yet.
    """
    state = _read_once(state_dir)
    attempts = 1
    # A read may meet a write in the middle; one that stays torn is torn.
    while state.fault and attempts < READ_ATTEMPTS_MAX:
        state = _read_once(state_dir)
        attempts += 1
    return state


def create(state_dir: StrPath, *, at_us: int, by: str, mode: int = 0o600) -> LatchState:
    """Put an armed latch into a state dir that has neither latch nor journal; leave any other as it is.

    Call it before the journal is created: a journal without a latch reads as halt. `LatchError` where it fails.
    """
    path = os.path.join(state_dir, LATCH_FILE)
    if os.path.lexists(path) or _has_journal(state_dir):
        return read(state_dir)
    armed = LatchState(level="", trip_id="", at_us=at_us, by=_said(by, NAME_LENGTH_MAX), reason="created")
    with _Lock(state_dir, mode) as is_locked:
        if not is_locked:
            raise LatchError("the latch's lock is held by another process")
        if not os.path.lexists(path):
            try:
                _replace(state_dir, _encode(armed), mode)
            except OSError as problem:
                raise LatchError(f"the latch cannot be created: {problem.strerror}") from problem
    return read(state_dir)


def mode_of(state_dir: StrPath) -> int:
    """Give the mode of what is made beside the latch: its group's to write where the folder is."""
    try:
        is_shared = os.stat(state_dir).st_mode & 0o020
    except OSError:
        return 0o600
    return 0o660 if is_shared else 0o600


def give(descriptor: int, state_dir: StrPath, mode: int) -> None:
    """Let a file of ours have that mode and, where a group shares it, the folder's group; as far as we may."""
    if not mode & 0o060:
        return
    try:
        os.fchmod(descriptor, mode)  # what the umask took
        os.fchown(descriptor, -1, os.stat(state_dir).st_gid)
    except OSError:
        return


def trip(state_dir: StrPath, level: str, *, at_us: int, by: str, reason: str) -> LatchState:
    """Trip the latch durably and return what is in force after it: never a lower level than asked or than before.

    Each trip has an id of its own, so that a release can only undo what its operator saw. Where the block cannot be
    written the file is removed, which reads as halt beside a journal; a flatten in force stays. `LatchError` where not
    even that holds and no trip in force stops as much.
    """
    assert level in (HALT, FLATTEN), level
    mode = mode_of(state_dir)
    with _Lock(state_dir, mode) as is_locked:
        try:
            return _write_trip(state_dir, level, at_us, by, reason, mode, is_locked=is_locked)
        except OSError as problem:
            return _trip_without_writing(state_dir, level, problem)


def release(state_dir: StrPath, trip_id: str, *, at_us: int, by: str, reason: str) -> LatchState:
    """Arm the latch again, only under the lock and only where ``trip_id`` is the trip in force.

    The journal's ``kill.reset`` comes before it. `StaleRelease` where another trip is in force or came meanwhile,
    `LatchError` where the lock or the file cannot be had: the latch stays tripped.
    """
    with _Lock(state_dir, mode_of(state_dir)) as is_locked:
        if not is_locked:
            raise LatchError("the latch's lock is held by another process: look again, then release")
        try:
            _write_release(state_dir, trip_id, at_us, by, reason)
        except LatchError:
            raise
        except OSError as problem:
            raise LatchError(f"the latch cannot be written: {problem.strerror}") from problem
    return read(state_dir)


def _write_trip(
    state_dir: StrPath, level: str, at_us: int, by: str, reason: str, mode: int, *, is_locked: bool
) -> LatchState:
    trip_id = os.urandom(8).hex()
    for _ in range(WRITE_ATTEMPTS_MAX):
        before = read(state_dir)
        merged = level if _RANK[level] >= _RANK[before.level] else before.level
        state = LatchState(
            level=merged,
            trip_id=trip_id,
            at_us=at_us,
            by=_said(by, NAME_LENGTH_MAX),
            reason=_said(reason, REASON_LENGTH_MAX),
        )
        block = _encode(state)
        if os.path.lexists(os.path.join(state_dir, LATCH_FILE)):
            _overwrite(state_dir, block)
            if not is_locked:
                _replace_if_possible(state_dir, block, mode)
        else:
            _replace(state_dir, block, mode)
        after = read(state_dir)
        # Somebody who gave up on the lock may have written in between.
        if not after.fault and _RANK[after.level] >= _RANK[merged]:
            return after
    raise LatchError("other writers kept undoing the trip")


def _write_release(state_dir: StrPath, trip_id: str, at_us: int, by: str, reason: str) -> None:
    path = os.path.join(state_dir, LATCH_FILE)
    armed = _encode(
        LatchState(
            level="",
            trip_id=trip_id,
            at_us=at_us,
            by=_said(by, NAME_LENGTH_MAX),
            reason=_said(reason, REASON_LENGTH_MAX),
        )
    )
    current = read(state_dir)
    if not current.is_tripped or current.trip_id != trip_id:
        raise StaleRelease(f"{trip_id} is not the trip in force ({current.trip_id or 'armed'})")
    if not os.path.lexists(path):
        _replace(state_dir, armed, mode_of(state_dir))
        return
    descriptor = os.open(path, os.O_RDWR | _OPEN_FLAGS)
    try:
        # Read through the very descriptor that is written: what a trip without lock puts in its place stays untouched.
        seen = _decode(_read_block(descriptor))
        if seen.trip_id != trip_id:
            raise StaleRelease(f"{trip_id} is not the trip in force ({seen.trip_id})")
        _write_block(descriptor, armed)
        if not _is_same_file(descriptor, path):
            raise StaleRelease("another trip came meanwhile")
    finally:
        os.close(descriptor)


def _trip_without_writing(state_dir: StrPath, level: str, problem: OSError) -> LatchState:
    before = read(state_dir)
    is_enough = not before.fault and before.is_tripped and _RANK[before.level] >= _RANK[level]
    if is_enough and before.level == FLATTEN:
        return before  # without its file it would read as halt
    try:
        return _remove(state_dir, problem)
    except LatchError:
        if is_enough:
            return before
        raise


def _remove(state_dir: StrPath, problem: OSError) -> LatchState:
    if not _has_journal(state_dir):
        raise LatchError(f"the latch cannot be written: {problem.strerror or problem}") from problem
    try:
        os.unlink(os.path.join(state_dir, LATCH_FILE))
    except FileNotFoundError:
        pass
    except OSError as second:
        raise LatchError(f"the latch can be neither written nor removed: {second.strerror}") from problem
    try:
        _sync_folder(state_dir)
    except OSError as second:
        raise LatchError(f"the latch was removed, not durably: {second.strerror}") from problem
    state = read(state_dir)
    if not state.is_tripped:
        raise LatchError("the latch was removed and reads as armed")
    return state


def _read_once(state_dir: StrPath) -> LatchState:
    try:
        descriptor = os.open(os.path.join(state_dir, LATCH_FILE), os.O_RDONLY | os.O_NONBLOCK | _OPEN_FLAGS)
    except FileNotFoundError:
        if _has_journal(state_dir):
            return _faulty("missing", "missing beside a journal")
        return LatchState(level="", trip_id="", at_us=0, by="", reason="no latch and no journal yet")
    except OSError as problem:
        return _faulty("unreadable", f"unreadable: {problem.strerror}")
    try:
        return _decode(_read_block(descriptor))
    except OSError as problem:
        return _faulty("unreadable", f"unreadable: {problem.strerror}")
    finally:
        os.close(descriptor)


def _has_journal(state_dir: StrPath) -> bool:
    try:
        os.lstat(os.path.join(state_dir, JOURNAL_FILE))
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _faulty(trip_id: str, fault: str) -> LatchState:
    return LatchState(level=HALT, trip_id=trip_id, at_us=0, by="", reason=f"the latch is {fault}", fault=fault)


def _said(text: str, length_max: int) -> str:
    """Give words as everybody can write them: a byte of another alphabet, as a shell hands it over, is no character.

    A journal or a log that met one would end the daemon, which would meet it again at every start.
    """
    return text[:length_max].encode(errors="replace").decode()


def _encode(state: LatchState) -> bytes:
    texts = {"state": state.state, "level": state.level, "trip_id": state.trip_id}
    body = '{"version": 1' + "".join(f', "{name}": {quoted(text)}' for name, text in texts.items())
    body += f', "at_us": {state.at_us:d}, "by": {quoted(state.by)}, "reason": {quoted(state.reason)}'
    checksum = f"{zlib.crc32((body + '}').encode()):08x}"
    block = f'{body}, "checksum": {quoted(checksum)}}}'.encode()
    assert len(block) < BLOCK_BYTES, len(block)
    return block + b" " * (BLOCK_BYTES - len(block) - 1) + b"\n"


_understood: tuple[bytes, LatchState] | None = None


def _decode(block: bytes) -> LatchState:
    """Say what a block means; it is read before every send, and hardly ever another one than the last."""
    global _understood
    known = _understood
    if known is not None and known[0] == block:
        return known[1]
    state = _parse(block)
    _understood = (block, state)
    return state


def _parse(block: bytes) -> LatchState:
    torn = f"torn-{zlib.crc32(block):08x}"
    try:
        # blanks behind it and whatever else it may be are seen by the comparison
        body = scan(block.decode(), 0)[0]
        state = LatchState(
            level=body["level"],
            trip_id=body["trip_id"],
            at_us=body["at_us"],
            by=body["by"],
            reason=body["reason"],
        )
        is_whole = _encode(state) == block
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError, StopIteration):
        return _faulty(torn, "torn or not understood")
    if not is_whole:
        return _faulty(torn, "torn or not understood")
    # what another version or a hand wrote is said like what we write
    state.by, state.reason = _said(state.by, BLOCK_BYTES), _said(state.reason, BLOCK_BYTES)
    return state


def _read_block(descriptor: int) -> bytes:
    return os.pread(descriptor, BLOCK_BYTES + 1, 0)


def _write_block(descriptor: int, block: bytes) -> None:
    written = 0
    while written < len(block):
        written += os.pwrite(descriptor, block[written:], written)
    if os.fstat(descriptor).st_size != BLOCK_BYTES:
        os.ftruncate(descriptor, BLOCK_BYTES)
    os.fsync(descriptor)


def _overwrite(state_dir: StrPath, block: bytes) -> None:
    descriptor = os.open(os.path.join(state_dir, LATCH_FILE), os.O_RDWR | _OPEN_FLAGS)
    try:
        _write_block(descriptor, block)
    finally:
        os.close(descriptor)


def _replace(state_dir: StrPath, block: bytes, mode: int) -> None:
    path = os.path.join(state_dir, LATCH_FILE)
    beside = f"{path}.{os.getpid()}"
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _OPEN_FLAGS, mode)
    try:
        give(descriptor, state_dir, mode)
        _write_block(descriptor, block)
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    finally:
        os.close(descriptor)
    _sync_folder(state_dir)


def _replace_if_possible(state_dir: StrPath, block: bytes, mode: int) -> None:
    try:
        _replace(state_dir, block, mode)
    except OSError:
        return  # the block is written in place already; a full disk must not turn that into a failure


def _is_same_file(descriptor: int, path: StrPath) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


def _sync_folder(state_dir: StrPath) -> None:
    descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Lock:
    """Hold the latch's lock if it can be had within LOCK_WAIT_S; entering says whether it is held."""

    def __init__(self, state_dir: StrPath, mode: int) -> None:
        self._state_dir = state_dir
        self._path = os.path.join(state_dir, LOCK_FILE)
        self._mode = mode
        self._descriptor = -1

    def __enter__(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _OPEN_FLAGS, self._mode)
        except OSError:
            return False
        give(self._descriptor, self._state_dir, self._mode)
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.002)
            except OSError:
                return False
            else:
                return True

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)  # closing gives the lock back
