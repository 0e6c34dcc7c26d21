"""The daemon's line to the simulated broker: requests leave one after the other, answers and pushes are told apart.

The broker is a process of its own that is started or found, or lives inside for tests and replays. Either way it is
asked by the same messages, so that its record is the same. A broken line raises `BrokerUnavailable`; who asked decides.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskStatus

from axiomd.broker import sim_wire as wire
from axiomd.broker.port import BrokerCommand
from axiomd.broker.sim_desk import SimDesk
from axiomd.broker.sim_record import SimRecord
from axiomd.contracts.commands import CancelEntry, SendEntries
from axiomd.contracts.errors import BrokerUnavailable
from axiomd.contracts.events import Event
from axiomd.contracts.truth import Truth
from axiomd.core.plan import Plan
from axiomd.daemon.broker_process import BrokerProcess
from axiomd.feeds.playback import Rows

ANSWER_S_MAX: Final = 5.0
START_S_MAX: Final = 10.0
STOP_S_MAX: Final = 1.0
SEND_BYTES: Final = 1024 * 1024
"""What the system is asked to take in for us: with its own 200 KB, 500 symbols' orders wait for the broker to read."""

Push = Callable[[list[Event]], None]
Leave = Callable[[], Awaitable[list[Event]]]
"""Let what was prepared leave, here and now; what is given waits for what the broker says."""


def setup_of(plan: Plan, account: str) -> wire.Setup:
    """Give how the market of a plan is simulated."""
    return wire.Setup(
        account=account,
        symbols=plan.symbols,
        ticks=tuple(instrument.tick_size for instrument in plan.instruments),
        costs=plan.costs_by_name,
        bar_us=plan.bar_us,
        skips_ambiguous=plan.skips_ambiguous,
    )


class SimLink:
    """Ask the simulated broker. Subclasses carry a line there and back."""

    def __init__(self) -> None:
        self._last_id = 0

    def _id(self) -> int:
        self._last_id += 1
        return self._last_id

    async def attach(self, setup: wire.Setup) -> None:
        """Say who we are and how the market is simulated."""
        await self._ask(wire.Request(id=self._id(), op="attach", setup=setup))

    def send(self, command: BrokerCommand, ts_us: int) -> Awaitable[list[Event]]:
        """Let a command leave, here and now; what is given waits for what the broker says at once.

        `BrokerUnavailable`, here or there, where it cannot be said whether it arrived.
        """
        match command:
            case SendEntries():
                return self.prepare((command,), ts_us)()
            case CancelEntry(key=key, reason=reason):
                request = wire.Request(id=self._id(), op="cancel", ts_us=ts_us, key=key, reason=reason)
            case _:
                request = wire.Request(
                    id=self._id(),
                    op="close",
                    ts_us=ts_us,
                    key=command.key,
                    reference=command.reference,
                    symbol=command.symbol,
                    qty=command.qty,
                    is_urgent=command.is_urgent,
                )
        return self._reports(self._ask_for(request))

    def prepare(self, commands: Sequence[SendEntries], ts_us: int) -> Leave:
        """Write groups down as one message, which leaves when what is given is called; all of it arrives or is unsure.

        Whoever looks at something right before a send must not have to wait for the writing behind that look.
        """
        orders = tuple(leg.value for command in commands for leg in command.legs)
        request = wire.Request(id=self._id(), op="place", ts_us=ts_us, orders=orders)
        line = wire.line_of(request)
        return lambda: self._reports(self._post(request.id, line))

    async def drain(self) -> None:
        """Wait until nothing that was sent is still with us. `BrokerUnavailable` where the line takes no more."""

    async def execute(self, command: BrokerCommand, ts_us: int) -> list[Event]:
        """Carry a command out and give what the broker said at once."""
        return await self.send(command, ts_us)

    def tell_moment(self, ts_us: int, rows: Rows) -> Awaitable[list[Event]]:
        """Let all bars that close together leave, here and now; what is given waits for what came of them.

        A moment that the broker has seen gives nothing.
        """
        return self._reports(self._ask_for(wire.Request(id=self._id(), op="moment", ts_us=ts_us, bars=tuple(rows))))

    async def end_session(self, ts_us: int) -> list[Event]:
        """Let a session end: what should be flat is closed, what is over expires."""
        return await self._reports(self._ask_for(wire.Request(id=self._id(), op="end_session", ts_us=ts_us)))

    async def truth(self, since_us: int = 0) -> Truth:
        """Ask what the broker knows, with the reports of moments after `since_us`: a busy day has many."""
        answer = await self._ask(wire.Request(id=self._id(), op="truth", ts_us=since_us))
        reports = tuple(wire.report_of(report) for report in answer.reports)
        return Truth(positions=answer.positions, orders=answer.orders, reports=reports)

    async def _reports(self, answer: Awaitable[wire.Answer]) -> list[Event]:
        return _events(_checked(await answer))

    async def _ask(self, request: wire.Request) -> wire.Answer:
        return _checked(await self._ask_for(request))

    def _ask_for(self, request: wire.Request) -> Awaitable[wire.Answer]:
        return self._post(request.id, wire.line_of(request))

    def _post(self, request_id: int, line: bytes) -> Awaitable[wire.Answer]:
        raise NotImplementedError

    async def listen(self, push: Push, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Hand on what the broker says unasked, until the line breaks."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Wait for no answer any more: whoever waits is told that the broker is out of reach."""

    async def stop(self) -> None:
        """End the broker with us: its record stays."""
        raise NotImplementedError


class InsideLink(SimLink):
    """A broker in our own process, with the same record on the disk."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__()
        self._desk = SimDesk(SimRecord(state_dir / wire.RECORD_FILE))

    def _post(self, request_id: int, line: bytes) -> Awaitable[wire.Answer]:
        del request_id
        return _given(self._desk.answer(line))

    async def listen(self, push: Push, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Wait for ever: nobody else speaks to it."""
        del push
        task_status.started()
        await anyio.sleep_forever()

    async def stop(self) -> None:
        """Nothing to end."""


class ProcessLink(SimLink, asyncio.Protocol):
    """A broker in a process of its own. A plain asyncio protocol: a stream's task hop costs as much as the answer."""

    def __init__(self) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: dict[int, asyncio.Future[wire.Answer]] = {}
        self._early: list[list[Event]] = []
        self._push: Push = self._early.append
        self._broken: asyncio.Future[None] = loop.create_future()
        self._drained: asyncio.Future[None] | None = None

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be open."""
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        transport.set_write_buffer_limits(high=0)  # full means that the system did not take all
        self._transport = transport

    def pause_writing(self) -> None:
        """The system did not take all."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The system has it all, or nobody will ever take it."""
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take lines in: answers go to who waits for them, pushes to who listens."""
        self._buffer += data
        whole = self._buffer.rfind(b"\n") + 1
        if not whole:
            return
        lines = bytes(self._buffer[: whole - 1]).split(b"\n")
        del self._buffer[:whole]
        try:
            for line in lines:
                self._take(wire.read_answer(line))
        except msgspec.MsgspecError:
            self._break("its line makes no sense")

    def connection_lost(self, exc: Exception | None) -> None:
        """Be broken for good."""
        del exc
        self._break("its line broke")

    # --- ours ---

    def write(self, data: bytes) -> None:
        """Let bytes leave."""
        assert self._transport is not None
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the system has taken what was sent, for as long as an answer may take."""
        if self._drained is None:
            return
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await asyncio.shield(self._drained)
        except TimeoutError:
            self._break("it takes nothing in")
            raise BrokerUnavailable("it takes nothing in", "simulated broker", "it is asked again") from None
        if self._broken.done():
            raise BrokerUnavailable("its line broke", "simulated broker", "it is started again")

    def _post(self, request_id: int, line: bytes) -> Awaitable[wire.Answer]:
        if self._broken.done():
            raise BrokerUnavailable("its process is gone", "simulated broker", "it is started again")
        waiting = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        self.write(line)
        return self._answered(request_id, waiting)

    async def _answered(self, request_id: int, waiting: asyncio.Future[wire.Answer]) -> wire.Answer:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await waiting
        except TimeoutError:
            # a late answer must never meet a later question
            self._break("it does not answer")
            raise BrokerUnavailable("it does not answer", "simulated broker", "it is asked again") from None
        finally:
            self._waiting.pop(request_id, None)

    def _take(self, answer: wire.Answer) -> None:
        waiting = self._waiting.get(answer.id)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(answer)
        elif answer.reports:
            self._push(_events(answer))

    def give_up(self) -> None:
        """Break the line."""
        self._break("it does not answer")

    def _break(self, what: str) -> None:
        if self._broken.done():
            return
        self._broken.set_result(None)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(BrokerUnavailable(what, "simulated broker", "it is started again"))
        self.resume_writing()
        if self._transport is not None:
            self._transport.abort()

    async def listen(self, push: Push, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Hand pushes on until the line breaks, and raise then."""
        self._push = push
        for reports in self._early:
            push(reports)
        self._early.clear()
        task_status.started()
        await asyncio.shield(self._broken)
        raise BrokerUnavailable("its line broke", "simulated broker", "it is started again")

    async def stop(self) -> None:
        """End its process; its record is the truth of the next one."""
        if not self._broken.done() and self._transport is not None:
            self.write(b'{"id":0,"op":"stop"}\n')
            # the loop may end right behind us, and takes with it what the socket has not
            with anyio.move_on_after(STOP_S_MAX):
                while self._transport.get_write_buffer_size():
                    await anyio.sleep(0.005)
            self._transport.close()


async def connect(process: BrokerProcess) -> ProcessLink:
    """Find the broker's process, or start it, and open a line. `BrokerUnavailable` where it does not come up."""
    loop = asyncio.get_running_loop()
    with anyio.move_on_after(START_S_MAX):
        while True:
            try:
                _, link = await loop.create_unix_connection(ProcessLink, str(process.socket))
                return link
            except OSError:
                # one that is coming up is left to it; one that was still dying the time before is not coming up
                process.start()
                await anyio.sleep(0.01)
    raise BrokerUnavailable("its process does not come up", str(process.socket), f"look at {process.log}")


async def _given(answer: wire.Answer) -> wire.Answer:
    return answer


def _checked(answer: wire.Answer) -> wire.Answer:
    if answer.error:
        raise BrokerUnavailable(answer.error, "simulated broker", "look at its log")
    return answer


def _events(answer: wire.Answer) -> list[Event]:
    return [wire.unpack(report) for report in answer.reports]
