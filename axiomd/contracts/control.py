"""What console and daemon say to each other: one JSON object a line, protocol version 1.

It says which messages there are, how large they may be and what an observer may ask. It opens no socket. A line that is
too long or malformed is a `ProtocolViolation`, after which a server closes that client and no other.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from axiomd.contracts.errors import ProtocolViolation

PROTOCOL_VERSION: Final = 1
LINE_BYTES_MAX: Final = 64 * 1024
"""A client's line above it closes that client."""
HEARTBEAT_S_MAX: Final = 1.0
"""A server is silent for no longer."""

Role = Literal["operator", "observer"]
CommandName = Literal[
    "kill", "resume", "flatten", "close", "cancel", "pause", "unpause", "acknowledge", "reload_config", "note", "adopt"
]
"""`adopt` is not in the protocol's first list: `axiomd reconcile --adopt` speaks it (docs/decisions/0005)."""

EVERYTHING: Final = "all"
"""As a quantity: the whole position."""

_ARGS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "kill": {"level": (str,), "reason": (str, int, float, bool), "everything": (bool,)},
    "resume": {"trip_id": (str,), "account": (str,), "reason": (str,), "new_peak": (bool,)},
    "flatten": {"reason": (str, int, float, bool), "everything": (bool,)},
    "close": {"symbol": (str,), "qty": (int, str), "all": (bool,)},
    "cancel": {"key": (str,)},
    "pause": {"symbol": (str,), "strategy": (str,), "all": (bool,), "until": (int, str)},
    "unpause": {"symbol": (str,), "strategy": (str,), "all": (bool,)},
    "acknowledge": {"alarm": (str,)},
    "reload_config": {},
    "note": {"text": (str,)},
    "adopt": {"account": (str,), "reason": (str,)},
}
"""What each command takes; null is what was left out. A yes or no is never a number, nor a word that stands for it.

Whatever somebody gives as the reason of a kill, it latches.
"""

_TYPE_NAMES: Final = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}

_WORDS: Final = {"note": "text", "resume": "reason", "adopt": "reason"}
"""What a person has to say with a command, since it is what the journal will tell of it."""


class _Message(BaseModel):
    # a daemon is ready, and trades, before anybody speaks to it
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Hello(_Message):
    """Open a conversation: who speaks, in which version, with what rights."""

    type: Literal["hello"] = "hello"
    version: int
    role: Role
    name: Annotated[str, Field(min_length=1, max_length=64)]


class ControlCommand(_Message):
    """Ask the daemon for something; ``seq`` is the newest state the operator saw, ``id`` comes back in the result."""

    type: Literal["command"] = "command"
    id: Annotated[str, Field(min_length=1, max_length=64)]
    name: CommandName
    seq: Annotated[int, Field(ge=0)]
    args: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _known_args(self) -> ControlCommand:
        taken = _ARGS[self.name]
        for name, value in self.args.items():
            if name not in taken:
                raise ValueError(f"{self.name} takes no {name}")
            if value is not None and type(value) not in taken[name]:
                raise ValueError(f"{name} is {' or '.join(_TYPE_NAMES[kind] for kind in taken[name])}")
        if self.name == "close" and not isinstance(self.args.get("symbol"), str):
            raise ValueError("close needs a symbol")
        qty = self.args.get("qty")
        if qty not in (None, EVERYTHING) and (isinstance(qty, bool) or not isinstance(qty, int) or qty < 1):
            raise ValueError("qty is a whole number of shares, 1 or more, or all")
        words = _WORDS.get(self.name)
        if words and not (isinstance(said := self.args.get(words), str) and said.strip()):
            raise ValueError(f"{self.name} needs a {words}")
        if self.name == "kill" and self.args.get("level", "halt") not in ("halt", "flatten"):
            raise ValueError("level is halt or flatten")
        return self


class Welcome(_Message):
    """Answer a hello: which daemon this is."""

    type: Literal["welcome"] = "welcome"
    version: int
    run_id: str
    mode: Literal["paper", "live", "replay"]
    account: str


class Snapshot(_Message):
    """Give the whole state as of ``seq``."""

    type: Literal["snapshot"] = "snapshot"
    seq: Annotated[int, Field(ge=0)]
    state: dict[str, JsonValue]


class Delta(_Message):
    """Give what changed up to ``seq`` since the message before."""

    type: Literal["delta"] = "delta"
    seq: Annotated[int, Field(ge=0)]
    changes: dict[str, JsonValue]


class Heartbeat(_Message):
    """Say that the daemon lives; ``ts`` is UTC microseconds."""

    type: Literal["heartbeat"] = "heartbeat"
    ts: int
    seq: Annotated[int, Field(ge=0)]


class CommandResult(_Message):
    """Answer a command; ``error`` is None where it was done."""

    type: Literal["result"] = "result"
    id: str
    ok: bool
    error: str | None = None


class Closing(_Message):
    """Say why the server closes this client."""

    type: Literal["closing"] = "closing"
    reason: str


ClientMessage = Annotated[Hello | ControlCommand, Field(discriminator="type")]
ServerMessage = Annotated[Welcome | Snapshot | Delta | Heartbeat | CommandResult | Closing, Field(discriminator="type")]

_CLIENT: Final[TypeAdapter[Hello | ControlCommand]] = TypeAdapter(ClientMessage, config=ConfigDict(defer_build=True))
_SERVER: Final[TypeAdapter[Welcome | Snapshot | Delta | Heartbeat | CommandResult | Closing]] = TypeAdapter(
    ServerMessage, config=ConfigDict(defer_build=True)
)


def parse_client(line: bytes) -> Hello | ControlCommand:
    """Read a client's line; `ProtocolViolation` where it is too long or says nothing known."""
    if len(line) > LINE_BYTES_MAX:
        raise ProtocolViolation(f"a line of more than {LINE_BYTES_MAX} bytes", "control socket", peer="client")
    try:
        return _CLIENT.validate_json(line)
    except (ValidationError, ValueError, RecursionError) as problem:
        raise ProtocolViolation(_reason(problem), "control socket", peer="client") from None


def parse_server(line: bytes) -> Welcome | Snapshot | Delta | Heartbeat | CommandResult | Closing:
    """Read a server's line, of any length; `ProtocolViolation` where it says nothing known."""
    try:
        return _SERVER.validate_json(line)
    except (ValidationError, ValueError, RecursionError) as problem:
        raise ProtocolViolation(_reason(problem), "control socket", peer="daemon") from None


def line_of(message: BaseModel) -> bytes:
    """Write a message as one line with its newline."""
    return message.model_dump_json().encode() + b"\n"


def is_allowed(role: Role, command: ControlCommand) -> bool:
    """Say whether a role may ask for it; an emergency stop at level halt is open to anyone present."""
    if role == "operator":
        return True
    return command.name == "kill" and command.args.get("level", "halt") == "halt" and not command.args.get("everything")


def _reason(problem: Exception) -> str:
    if isinstance(problem, ValidationError):
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        return f"{place}: {said}" if place else said
    return "the line is no JSON"
