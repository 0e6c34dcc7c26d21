"""The blocks of a sweep on a Dask cluster, whose workers see the same paths and give the same rows.

No wait is without an end: for a scheduler, for a worker to come, and for one to come back after all have gone. What
becomes of the cluster is told in the one line of an error, never in Dask's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Final

from axiomd.contracts.errors import InputError
from axiomd.replay.sweep import RunBlocks
from axiomd.replay.sweep_table import Columns
from axiomd.replay.trials import Block, run_blocks

SCHEDULER_S_MAX: Final = 10
"""So long a scheduler may take to answer."""
WORKER_S_MAX: Final = 30
"""So long a cluster may be without a worker: one that is being started has come by then."""
LOOK_S: Final = 5
"""So often it is looked whether there is still a worker, while a block takes its time."""


def dask_blocks(scheduler: str, done: Callable[[int], None]) -> RunBlocks:
    """Run blocks on a Dask cluster whose workers see the same paths.

    Raises `InputError` where its scheduler cannot be reached, where it has no workers, and where either is lost.
    """

    def run(blocks: Sequence[Block]) -> Iterator[Columns]:
        with _quiet(), _client(scheduler) as client:
            with _told(scheduler):
                _need_worker(client, scheduler)
                futures = client.map(run_blocks, [(block,) for block in blocks], pure=False)
            for block, future in zip(blocks, futures, strict=True):
                yield _result(client, future, scheduler)
                done(len(block.trials))

    return run


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError("dask.distributed is not installed", "--engine dask", "install axiomd[cluster]") from None
    try:
        return Client(scheduler, timeout=SCHEDULER_S_MAX)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(f"no scheduler answers: {error}", scheduler, "name one as tcp://HOST:PORT") from error


def _result(client: Any, future: Any, scheduler: str) -> Columns:
    """Wait for a block as long as there is a worker for it; what it raised itself is raised as it is."""
    from distributed import wait
    from distributed.scheduler import KilledWorker

    while future.status != "error":
        with _told(scheduler):
            try:
                wait([future], timeout=LOOK_S)  # type: ignore[no-untyped-call]
                if future.status == "finished":
                    # a worker that has died since took its finding with it: it is waited for anew
                    found: Columns = future.result(timeout=LOOK_S)
                    return found
            except TimeoutError:
                _need_worker(client, scheduler)
    try:
        raise future.exception()
    except KilledWorker as error:
        remedy = "look at their logs, and give them more memory"
        raise InputError("every worker that a block was given to died", scheduler, remedy) from error


def _need_worker(client: Any, scheduler: str) -> None:
    """Wait until there is a worker, which is mostly so."""
    # waiting for one asks the scheduler without an end: one that hangs is found by this
    client.sync(client.scheduler.ncores, callback_timeout=SCHEDULER_S_MAX)
    try:
        client.wait_for_workers(1, timeout=WORKER_S_MAX)
    except TimeoutError as error:
        what, remedy = f"it has had no worker for {WORKER_S_MAX} s", f"start some: dask worker {scheduler}"
        raise InputError(what, scheduler, remedy) from error


@contextmanager
def _told(scheduler: str) -> Iterator[None]:
    """Turn what Dask raises where a cluster is not what it was into one line."""
    from distributed.client import ClosedClientError

    try:
        yield
    except (CancelledError, ClosedClientError, OSError) as error:  # and TimeoutError, which is one
        raise InputError("the scheduler was lost", scheduler, "look at its log and sweep again") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from writing tracebacks of its own beside the error's line, as it does where a line of it breaks.

    Where this process is to end with that line it stays so: some are only written while the interpreter ends.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
