"""The kill command's line to the simulated broker: standard library only.

It speaks the few words of the broker's wire that a kill needs, and starts the broker from its record where its process
is gone. It decides nothing. The words are those of `axiomd.broker.sim_wire`, which it does not load.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

CONNECT_S_MAX = 3.0
ANSWER_S_MAX = 2.0
_CHUNK = 1 << 20


class SimUnreachable(OSError):
    """Report that the simulated broker neither answers nor comes up."""


class SimTruth:
    """What the broker holds and works."""

    __slots__ = ("orders", "positions")

    def __init__(self, positions: dict[str, int], orders: list[dict[str, object]]) -> None:
        self.positions = {symbol: qty for symbol, qty in positions.items() if qty}
        self.orders = orders

    @property
    def entries(self) -> list[dict[str, object]]:
        """Give the orders that could open something: those without a suffix."""
        return [order for order in self.orders if "-" not in str(order.get("reference", ""))]


class SimConnection:
    """One conversation with the broker. Use it as a context manager; `SimUnreachable` where there is none."""

    def __init__(self, path: str, state_dir: str) -> None:
        self._path = path
        self._state_dir = state_dir
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._next_id = 1

    def __enter__(self) -> SimConnection:
        self._connect()
        return self

    def _connect(self) -> None:
        deadline_s = time.monotonic() + CONNECT_S_MAX
        is_started = False
        while True:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(ANSWER_S_MAX)
            try:
                link.connect(self._path)
                self._socket, self._buffer = link, b""
                return
            except OSError as problem:
                link.close()
                if not is_started:
                    is_started = True
                    self._start()
                if time.monotonic() > deadline_s:
                    raise SimUnreachable(f"the simulated broker does not answer: {problem.strerror}") from problem
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def _start(self) -> None:
        record = os.path.join(self._state_dir, "sim.sqlite")
        if not os.path.exists(record):
            return
        os.posix_spawn(
            sys.executable,
            [
                sys.executable, "-m", "axiomd.broker",
                "--state", self._state_dir, "--runtime", os.path.dirname(self._path),
            ],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)],
            setsid=True,
        )  # fmt: skip

    def kill(self, *, flattens: bool) -> list[tuple[str, dict[str, object]]]:
        """Cancel every entry and, at flatten, close every position; gives the broker's reports."""
        answer = self._ask({"op": "kill", "flattens": flattens})
        reports = answer.get("reports", [])
        assert isinstance(reports, list)
        return [(kind, payload) for kind, payload in reports]

    def truth(self) -> SimTruth:
        """Ask what is held and worked."""
        answer = self._ask({"op": "truth"})
        positions, orders = answer.get("positions", {}), answer.get("orders", [])
        assert isinstance(positions, dict)
        assert isinstance(orders, list)
        return SimTruth(positions, orders)

    def _ask(self, request: dict[str, object]) -> dict[str, object]:
        """Ask, and once more over a new line where this one broke: nothing that a kill asks for can be done twice."""
        try:
            return self._exchange(request)
        except SimUnreachable:
            self.__exit__()
            self._connect()
            return self._exchange(request)

    def _exchange(self, request: dict[str, object]) -> dict[str, object]:
        assert self._socket is not None
        own = self._next_id
        self._next_id += 1
        try:
            self._socket.sendall(json.dumps({"id": own, **request}, separators=(",", ":")).encode() + b"\n")
            while True:
                end = self._buffer.find(b"\n")
                if end >= 0:
                    line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
                    answer = json.loads(line)
                    if isinstance(answer, dict) and answer.get("id") == own:
                        return answer
                    continue
                data = self._socket.recv(_CHUNK)
                if not data:
                    raise SimUnreachable("the simulated broker closed the line")
                self._buffer += data
        except (OSError, ValueError) as problem:
            raise SimUnreachable(f"the simulated broker does not answer: {problem}") from problem
