"""What an operator asks for over the control socket, carried out in the desk's own task and answered when it is done.

A kill is the exception: the latch is written before anything waits, however busy or far from ready the desk is. It
decides what is refused and why; the socket decides who may ask.
"""

from __future__ import annotations

from typing import Any, Final

import anyio

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.control import EVERYTHING, ControlCommand
from axiomd.contracts.errors import AxiomdError, BrokerUnavailable
from axiomd.core.guards.loss import MAX_DRAWDOWN, is_drawdown_raised
from axiomd.core.pauses import scope_of
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.clock import wall_us
from axiomd.daemon.control import Client
from axiomd.daemon.desk import LATCHED_REASON_MAX, Desk
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import Inbox, Urgent
from axiomd.daemon.reconciler import Reconciler
from axiomd.daemon.reload import Reload
from axiomd.daemon.standing import Standing
from axiomd.daemon.until import until_us

ANSWER_S_MAX: Final = 5.0


class OperatorDesk:
    """Carry commands out."""

    def __init__(
        self,
        desk: Desk,
        identity: Identity,
        *,
        inbox: Inbox,
        standing: Standing,
        alarms: Alarms,
        reconciler: Reconciler,
        reload: Reload,
    ) -> None:
        self._desk = desk
        self._identity = identity
        self._inbox = inbox
        self._standing = standing
        self._alarms = alarms
        self._reconciler = reconciler
        self._reload = reload

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
                problem.append(await self._obey(command, client))
            except BrokerUnavailable as error:
                await self._desk.lose(str(error))
                problem.append(await self._note_refused(command, client, str(error)))
            except (AxiomdError, latch.LatchError) as error:
                problem.append(await self._note_refused(command, client, str(error)))
            finally:
                done.set()

        if not self._inbox.put(Urgent(job)):
            return "the daemon is busy: try again"
        with anyio.move_on_after(ANSWER_S_MAX):
            await done.wait()
            return problem[0] or None if problem else None
        return "no answer yet: look at the state"

    def _latch(self, command: ControlCommand, client: Client) -> None:
        level = _level(command)
        reason = str(command.args.get("reason") or "operator")[:LATCHED_REASON_MAX]
        try:
            latch.trip(self._identity.places.state_dir, level, at_us=wall_us(), by=client.name, reason=reason)
        except latch.LatchError:
            return  # the desk trips once more, and knows what to do where the file cannot be had

    async def _obey(self, command: ControlCommand, client: Client) -> str:
        """Write down what was asked, do it, and say what stands against it."""
        args = _plain(command)
        desk = self._desk
        refusal = self._refusal(command.name, args)
        asked = e.OperatorCommand(ts_us=desk.market_us, name=command.name, operator=client.name, args=args)
        if refusal := refusal or await desk.operate(asked):
            return await self._note_refused(command, client, refusal)
        match command.name:
            case "kill" | "flatten":
                state = latch.read(self._identity.places.state_dir)
                if state.is_tripped:
                    await desk.found_tripped(state, "operator")
                else:
                    await desk.trip(_level(command), str(args.get("reason") or "operator"), "operator", client.name)
            case "resume":
                await desk.resume(
                    str(args["trip_id"]),
                    client.name,
                    str(args["reason"]),
                    new_peak=args.get("new_peak") is True,
                )
            case "cancel":
                await desk.cancel([str(args["key"])], "cancelled:operator")
            case "acknowledge":
                self._alarms.acknowledge(str(args["alarm"]))
            case "reload_config":
                await self._reload.apply()
            case "adopt":
                return await self._adopt(str(args["reason"]), client)
        return ""

    async def _note_refused(self, command: ControlCommand, client: Client, reason: str) -> str:
        """On record as a note: a refused command must not be folded as if it had been carried out. Gives the reason."""
        said = {"text": f"{command.name} refused: {reason}"}
        noted = e.OperatorCommand(ts_us=self._desk.market_us, name="note", operator=client.name, args=said)
        await self._desk.operate(noted)
        return reason

    def _refusal(self, name: str, args: dict[str, Any]) -> str:
        """Say why a command cannot be carried out at all; `until` of a pause becomes UTC us on the way."""
        engine = self._desk.engine
        match name:
            case "resume":
                return self._why_not_resume(args)
            case "cancel":
                leg = engine.book.legs.get(str(args.get("key", "")))
                return "" if leg is not None and leg.is_open else f"no entry of key {args.get('key', '')} works"
            case "acknowledge":
                return "" if str(args.get("alarm", "")) in self._alarms.facts else "there is no such alarm"
            case "pause":
                return self._why_not_pause(args)
            case "unpause":
                scope = scope_of(args)
                paused = engine.pauses.at(self._desk.market_us)
                return "" if scope in paused or (scope == "*" and paused) else f"{scope} is not paused"
            case "adopt":
                return self._why_not_adopt(args)
            case "reload_config":
                return self._reload.why_not()
        return ""

    def _why_not_pause(self, args: dict[str, Any]) -> str:
        engine, symbol, strategy = self._desk.engine, args.get("symbol"), args.get("strategy")
        if symbol and symbol not in engine.plan.symbols:
            return f"{symbol} is no symbol of this daemon"
        if strategy and strategy not in {own.id for own in engine.plan.strategies}:
            return f"{strategy} is no strategy of this daemon"
        if symbol and strategy:
            return "name a symbol or a strategy, not both"
        if args.get("until") is None:
            return ""
        now_us = self._desk.market_us
        ends_us = until_us(args["until"], now_us, self._identity.config.tz)
        if ends_us is None:
            return f"{str(args['until'])[:40]} is no time: write 14:30 (exchange time) or 2026-01-05T14:30-05:00"
        if ends_us <= now_us:
            return "that time is over already"
        args["until"] = ends_us
        return ""

    def _why_not_resume(self, args: dict[str, Any]) -> str:
        account, engine = self._identity.account, self._desk.engine
        state = latch.read(self._identity.places.state_dir)
        trip_id = str(args.get("trip_id") or "")
        if not state.is_tripped:
            return "the latch is armed already"
        if args.get("account") != account:
            return f"the account is {account}: name it"
        if not engine.is_reconciled:
            return "journal and broker disagree: reconcile first"
        if self._desk.is_journal_dead:
            return "the journal cannot be written: mend the disk and restart"
        if args.get("new_peak") is not True and self._is_held_by_drawdown(state):
            return "after MaxDrawdown only a raised limit or --new-peak resumes"
        if trip_id != state.trip_id:
            return f"the trip in force is {state.trip_id}: look at it, then resume that one"
        return ""

    def _is_held_by_drawdown(self, state: latch.LatchState) -> bool:
        """However far equity came back, and whatever tripped on top of it."""
        engine = self._desk.engine
        tripped_at = engine.kill.unreleased.get(MAX_DRAWDOWN)
        if tripped_at is None:
            # latched, and ended before the journal had it: the limit of then is known to nobody
            return state.by == MAX_DRAWDOWN
        return not is_drawdown_raised(engine.account, engine.plan.limits[0], tripped_at)

    def _why_not_adopt(self, args: dict[str, Any]) -> str:
        if args.get("account") != self._identity.account:
            return f"the account is {self._identity.account}: name it"
        if self._desk.is_journal_dead:
            return "the journal cannot be written: mend the disk and restart"
        return ""

    async def _adopt(self, reason: str, client: Client) -> str:
        """Latched before and after: whoever resumes has seen what was adopted."""
        if not self._desk.engine.level:
            await self._desk.trip("halt", f"adopting: {reason}", "operator", client.name)
        await self._desk.adopt(reason, client.name, self._desk.engine.session_open_us - 1)
        await self._reconciler.look()
        return "" if self._desk.engine.is_reconciled else "adopted, and something differs still: look at both sides"


def _plain(command: ControlCommand) -> dict[str, Any]:
    """Give the arguments as they are journaled: all is what is said by naming nothing."""
    args = {name: value for name, value in command.args.items() if value is not None and name != EVERYTHING}
    if args.get("qty") == EVERYTHING:
        del args["qty"]
    return args


def _level(command: ControlCommand) -> e.KillLevel:
    return "flatten" if command.name == "flatten" or command.args.get("level") == "flatten" else "halt"
