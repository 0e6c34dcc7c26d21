"""What an operator asks for over the control socket, carried out in the desk's own task and answered when it is done.

A kill is the exception: the latch is written before anything waits, however busy or far from ready the desk is. It
decides what is refused and why; the socket decides who may ask.
"""

from __future__ import annotations

from typing import Any, Final

import anyio

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.control import ControlCommand
from axiomd.contracts.errors import AxiomdError
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.clock import wall_us
from axiomd.daemon.control import Client
from axiomd.daemon.desk import LATCHED_REASON_MAX, Desk
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox, Urgent
from axiomd.daemon.standing import Standing

ANSWER_S_MAX: Final = 5.0


class OperatorDesk:
    """Carry commands out."""

    def __init__(
        self, desk: Desk, identity: Identity, *, inbox: Inbox, standing: Standing, alarms: Alarms
    ) -> None:  # fmt: skip
        self._desk = desk
        self._identity = identity
        self._inbox = inbox
        self._standing = standing
        self._alarms = alarms

    async def command(self, command: ControlCommand, client: Client) -> str | None:
        """Carry a command out; gives why not, or None when it is done."""
        if command.name in ("kill", "flatten"):
            self._latch(command, client)
            if not self._standing.is_ready:
                return None
        if not self._standing.is_ready:
            return "the daemon is recovering: try again"
        done = anyio.Event()
        problem: list[str] = []

        async def job() -> None:
            try:
                answer = await self._obey(command, client)
                problem.extend([answer] if answer else [])
            except (AxiomdError, latch.LatchError) as error:
                problem.append(str(error))
            finally:
                done.set()

        if not self._inbox.put(Urgent(job)):
            return "the daemon is busy: try again"
        with anyio.move_on_after(ANSWER_S_MAX):
            await done.wait()
            return problem[0] if problem else None
        return "no answer yet: look at the state"

    def _latch(self, command: ControlCommand, client: Client) -> None:
        level = _level(command)
        reason = str(command.args.get("reason") or "operator")[:LATCHED_REASON_MAX]
        try:
            latch.trip(self._identity.places.state_dir, level, at_us=wall_us(), by=client.name, reason=reason)
        except latch.LatchError:
            return  # the desk trips once more, and knows what to do where the file cannot be had

    async def _obey(self, command: ControlCommand, client: Client) -> str | None:
        args: dict[str, Any] = dict(command.args)
        desk = self._desk
        await desk.take(e.OperatorCommand(ts_us=desk.market_us, name=command.name, operator=client.name, args=args))
        match command.name:
            case "kill" | "flatten":
                state = latch.read(self._identity.places.state_dir)
                if state.is_tripped:
                    await desk.found_tripped(state, "operator")
                else:
                    await desk.trip(_level(command), str(args.get("reason") or "operator"), "operator", client.name)
            case "resume":
                return await self._resume(args, client)
            case "cancel":
                await desk.cancel([str(args.get("key", ""))], "cancelled:operator")
            case "acknowledge":
                await desk.commit()
                if not self._alarms.acknowledge(str(args.get("alarm", ""))):
                    return "there is no such alarm"
            case "note":
                await desk.commit()
            case _:
                await desk.commit()
                return f"{command.name} is not in this version"
        return None

    async def _resume(self, args: dict[str, Any], client: Client) -> str | None:
        account = self._identity.account
        state = latch.read(self._identity.places.state_dir)
        await self._desk.commit()
        if not state.is_tripped:
            return "the latch is armed already"
        if args.get("account") != account:
            return f"the account is {account}: name it"
        if not self._desk.engine.is_reconciled:
            return "journal and broker disagree: reconcile first"
        if self._desk.is_journal_dead:
            return "the journal cannot be written: mend the disk and restart"
        if "MaxDrawdown" in state.reason and not args.get("new_peak"):
            return "after MaxDrawdown only a raised limit or --new-peak resumes"
        trip_id = str(args.get("trip_id") or "")
        if trip_id != state.trip_id:
            return f"the trip in force is {state.trip_id}: look at it, then resume that one"
        await self._desk.resume(
            trip_id, client.name, str(args.get("reason") or ""), new_peak=bool(args.get("new_peak"))
        )
        return None


def _level(command: ControlCommand) -> e.KillLevel:
    return "flatten" if command.name == "flatten" or command.args.get("level") == "flatten" else "halt"
