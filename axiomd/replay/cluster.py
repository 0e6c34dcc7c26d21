"""The blocks of a sweep on a Dask cluster, whose workers see the same paths and give the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from axiomd.contracts.errors import InputError
from axiomd.replay.sweep import RunBlocks
from axiomd.replay.sweep_table import Columns
from axiomd.replay.trials import Block, run_blocks


def dask_blocks(scheduler: str, done: Callable[[int], None]) -> RunBlocks:
    """Run blocks on a Dask cluster whose workers see the same paths. Raises `InputError` where it cannot be reached."""

    def run(blocks: Sequence[Block]) -> Iterator[Columns]:
        try:
            from distributed import Client
        except ImportError:
            raise InputError("dask.distributed is not installed", "--engine dask", "install axiomd[cluster]") from None
        try:
            client: Any = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise InputError(f"no scheduler answers: {error}", scheduler, "name one as tcp://HOST:PORT") from error
        with client:
            futures = client.map(run_blocks, [(block,) for block in blocks], pure=False)
            for block, future in zip(blocks, futures, strict=True):
                yield future.result()
                done(len(block.trials))

    return run
