"""The line to the simulated broker: what it holds back, and what it says when nobody takes anything in."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from axiomd.contracts.commands import Approved, SendEntries
from axiomd.contracts.errors import BrokerUnavailable
from axiomd.daemon import sim_link
from axiomd.daemon.sim_link import ProcessLink
from tests.unit.broker.test_sim import START_US, leg

READ_BYTES = 1 << 16
READ_BYTES_MAX = 1 << 24


def a_group(number: int) -> SendEntries:
    return SendEntries(oco_id=f"g{number}", legs=(Approved(leg("BUY", number)), Approved(leg("SELL", number))))


async def connected(path: Path) -> tuple[ProcessLink, socket.socket]:
    """Give a line, and its other end, which reads nothing by itself."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    _, link = await asyncio.get_running_loop().create_unix_connection(ProcessLink, str(path))
    peer, _ = listener.accept()
    listener.close()
    peer.setblocking(False)
    return link, peer


async def fill(link: ProcessLink) -> None:
    """Send until the system takes no more."""
    blanks = b" " * READ_BYTES
    for _ in range(READ_BYTES_MAX // READ_BYTES):
        link.write(blanks)
        if link._drained is not None:
            return
    raise AssertionError("the system takes everything")


async def read_all(peer: socket.socket) -> bytes:
    """Read until nothing has come for a turn of the loop or two."""
    taken, quiet = bytearray(), 0
    while quiet < 3:
        try:
            taken += peer.recv(READ_BYTES)
            quiet = 0
        except BlockingIOError:
            quiet += 1
        await asyncio.sleep(0)
    return bytes(taken)


def test_what_was_prepared_leaves_when_it_is_told_to_and_as_one_message(tmp_path: Path) -> None:
    async def story() -> None:
        link, peer = await connected(tmp_path / "s")

        leave = link.prepare([a_group(1), a_group(2)], START_US)
        assert b"" == await read_all(peer)

        answer = asyncio.ensure_future(leave())
        line = await read_all(peer)

        assert 1 == line.count(b"\n")
        keys = [order["idempotency_key"] for order in msgspec.json.decode(line)["orders"]]
        assert ["buy1", "sell1", "buy2", "sell2"] == keys
        answer.cancel()
        peer.close()

    asyncio.run(story())


def test_drain_waits_until_the_system_has_taken_everything(tmp_path: Path) -> None:
    async def story() -> None:
        link, peer = await connected(tmp_path / "s")
        await link.drain()  # nothing is held back yet
        await fill(link)

        waiting = asyncio.ensure_future(link.drain())
        await asyncio.sleep(0)
        assert not waiting.done()

        await read_all(peer)
        await waiting
        assert link._transport is not None
        assert 0 == link._transport.get_write_buffer_size()
        peer.close()

    asyncio.run(story())


def test_a_line_that_takes_nothing_in_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim_link, "ANSWER_S_MAX", 0.01)

    async def story() -> None:
        link, peer = await connected(tmp_path / "s")
        await fill(link)

        with pytest.raises(BrokerUnavailable, match="takes nothing in"):
            await link.drain()
        with pytest.raises(BrokerUnavailable):
            link.prepare([a_group(1)], START_US)()
        peer.close()

    asyncio.run(story())


def test_a_line_that_breaks_while_it_drains_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        link, peer = await connected(tmp_path / "s")
        await fill(link)
        waiting = asyncio.ensure_future(link.drain())
        await asyncio.sleep(0)

        peer.close()

        with pytest.raises(BrokerUnavailable):
            await waiting

    asyncio.run(story())
