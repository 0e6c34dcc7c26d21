"""The daemon's line to the simulated broker: one request at a time, answers and pushes told apart.

The broker is a process of its own that is started or found, or lives inside for tests and replays. Either way it is
asked by the same messages, so that its record is the same. A broken line raises `BrokerUnavailable`; who asked decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import anyio
import msgspec
from anyio.abc import SocketStream, TaskStatus

from axiomd.broker import sim_wire as wire
from axiomd.broker.port import BrokerCommand
from axiomd.broker.sim_process import SimDesk, SimRecord
from axiomd.contracts.commands import CancelEntry, SendEntries
from axiomd.contracts.errors import BrokerUnavailable
from axiomd.contracts.events import Event
from axiomd.contracts.truth import Truth
from axiomd.core.plan import Plan
from axiomd.daemon.broker_process import BrokerProcess

ANSWER_S_MAX: Final = 5.0
START_S_MAX: Final = 10.0
_CHUNK: Final = 1 << 20

Push = Callable[[list[Event]], None]


def setup_of(plan: Plan, account: str) -> wire.Setup:
    """Give how the market of a plan is simulated."""
    costs = plan.costs[0]
    return wire.Setup(
        account=account,
        symbols=plan.symbols,
        ticks=tuple(instrument.tick_size for instrument in plan.instruments),
        costs={name: int(costs[name]) for name in plan.costs.dtype.names or ()},
        bar_us=plan.bar_us,
        skips_ambiguous=plan.skips_ambiguous,
    )


class SimLink:
    """Ask the simulated broker. Subclasses carry a line there and back."""

    def __init__(self) -> None:
        self._next_id = 1

    async def attach(self, setup: wire.Setup) -> None:
        """Say who we are and how the market is simulated."""
        await self._ask("attach", setup=setup)

    async def execute(self, command: BrokerCommand, ts_us: int) -> list[Event]:
        """Carry a command out and give what the broker said at once."""
        match command:
            case SendEntries(legs=legs):
                answer = await self._ask("place", ts_us=ts_us, orders=tuple(leg.value for leg in legs))
            case CancelEntry(key=key, reason=reason):
                answer = await self._ask("cancel", ts_us=ts_us, key=key, reason=reason)
            case _:
                answer = await self._ask(
                    "close",
                    ts_us=ts_us,
                    key=command.key,
                    reference=command.reference,
                    symbol=command.symbol,
                    qty=command.qty,
                    is_urgent=command.is_urgent,
                )
        return _events(answer)

    async def moment(self, ts_us: int, rows: Sequence[tuple[int, int, int, int, int, int, int]]) -> list[Event]:
        """Let all bars that close together be matched; a moment the broker has seen gives nothing."""
        return _events(await self._ask("moment", ts_us=ts_us, bars=tuple(rows)))

    async def end_session(self, ts_us: int) -> list[Event]:
        """Let a session end: what should be flat is closed, what is over expires."""
        return _events(await self._ask("end_session", ts_us=ts_us))

    async def truth(self) -> Truth:
        """Ask what the broker knows."""
        answer = await self._ask("truth")
        reports = [wire.unpack(report) for report in answer.reports]
        return Truth(positions=answer.positions, orders=answer.orders, reports=tuple(reports))  # type: ignore[arg-type]

    async def _ask(self, op: str, **fields: object) -> wire.Answer:
        request = wire.Request(id=self._next_id, op=op, **fields)  # type: ignore[arg-type]
        self._next_id += 1
        answer = await self._exchange(request)
        if answer.error:
            raise BrokerUnavailable(answer.error, "simulated broker", "look at its log")
        return answer

    async def _exchange(self, request: wire.Request) -> wire.Answer:
        raise NotImplementedError

    async def listen(self, push: Push, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Hand on what the broker says unasked, until the line breaks."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End the broker with us: its record stays."""
        raise NotImplementedError


class InsideLink(SimLink):
    """A broker in our own process, with the same record on the disk."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__()
        self._desk = SimDesk(SimRecord(state_dir / wire.RECORD_FILE))

    async def _exchange(self, request: wire.Request) -> wire.Answer:
        answer, _ = self._desk.answer(wire.line_of(request))
        return answer

    async def listen(self, push: Push, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Wait for ever: nobody else speaks to it."""
        del push
        task_status.started()
        await anyio.sleep_forever()

    async def stop(self) -> None:
        """Nothing to end."""


class ProcessLink(SimLink):
    """A broker in a process of its own."""

    def __init__(self, stream: SocketStream) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: dict[int, tuple[anyio.Event, list[wire.Answer]]] = {}
        self._is_broken = False

    async def _exchange(self, request: wire.Request) -> wire.Answer:
        if self._is_broken:
            raise BrokerUnavailable("its process is gone", "simulated broker", "it is started again")
        event, answers = anyio.Event(), list[wire.Answer]()
        self._waiting[request.id] = (event, answers)
        try:
            with anyio.fail_after(ANSWER_S_MAX):
                await self._stream.send(wire.line_of(request))
                await event.wait()
        except TimeoutError as error:
            # a late answer must never meet a later question
            await anyio.aclose_forcefully(self._stream)
            raise BrokerUnavailable("it does not answer", "simulated broker", "it is asked again") from error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise BrokerUnavailable("it does not answer", "simulated broker", "it is started again") from error
        finally:
            self._waiting.pop(request.id, None)
        if not answers:
            raise BrokerUnavailable("its process is gone", "simulated broker", "it is started again")
        return answers[0]

    async def listen(self, push: Push, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Read the line: answers go to who waits for them, pushes to `push`. Raises when the line breaks."""
        task_status.started()
        buffer = bytearray()
        try:
            while True:
                buffer += await self._stream.receive(_CHUNK)
                while (end := buffer.find(b"\n")) >= 0:
                    line = bytes(buffer[:end])
                    del buffer[: end + 1]
                    self._take(wire.read_answer(line), push)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, msgspec.MsgspecError) as error:
            raise BrokerUnavailable("its line broke", "simulated broker", "it is started again") from error
        finally:
            self._is_broken = True
            for event, _ in self._waiting.values():
                event.set()

    def _take(self, answer: wire.Answer, push: Push) -> None:
        waiting = self._waiting.get(answer.id)
        if waiting is not None:
            waiting[1].append(answer)
            waiting[0].set()
        elif answer.reports:
            push(_events(answer))

    async def stop(self) -> None:
        """End its process; its record is the truth of the next one."""
        try:
            await self._stream.send(b'{"id":0,"op":"stop"}\n')
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
        await self._stream.aclose()


async def connect(process: BrokerProcess) -> ProcessLink:
    """Find the broker's process, or start it, and open a line. `BrokerUnavailable` where it does not come up."""
    is_started = False
    with anyio.move_on_after(START_S_MAX):
        while True:
            try:
                return ProcessLink(await anyio.connect_unix(process.socket))
            except OSError:
                if not is_started:
                    process.start()
                    is_started = True
                await anyio.sleep(0.01)
    raise BrokerUnavailable("its process does not come up", str(process.socket), f"look at {process.log}")


def _events(answer: wire.Answer) -> list[Event]:
    return [wire.unpack(report) for report in answer.reports]
