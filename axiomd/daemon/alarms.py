"""Alarms: one a cause, raised when it appears and cleared when it is gone, shown with a time and a priority.

It keeps what a person should look at and does nothing about it. A cause that is raised again keeps its first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from axiomd.core.view import AlarmFact

Priority = Literal["urgent", "high", "low"]
ALARMS_MAX: Final = 64
Note = Callable[[str, Mapping[str, str | int]], None]


class Alarms:
    """Hold the alarms in force by cause; `note` takes a log line for each that comes and goes."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._alarms: dict[str, AlarmFact] = {}

    def put(self, cause: str, priority: Priority, text: str, at_us: int) -> None:
        """Raise an alarm; one of that cause that is there already keeps its time and takes the new text."""
        before = self._alarms.get(cause)
        if before is not None and before.text == text:
            return
        if before is None and len(self._alarms) >= ALARMS_MAX:
            del self._alarms[next(iter(self._alarms))]
        self._alarms[cause] = AlarmFact(
            priority=priority, text=text, since_us=at_us if before is None else before.since_us
        )
        self._note("alarm.raised", {"alarm": cause, "text": text})

    def clear(self, cause: str) -> None:
        """Take an alarm away: its cause is gone."""
        if self._alarms.pop(cause, None) is not None:
            self._note("alarm.cleared", {"alarm": cause})

    def acknowledge(self, cause: str) -> bool:
        """Mark an alarm as seen; False where there is none of that cause."""
        alarm = self._alarms.get(cause)
        if alarm is None:
            return False
        self._alarms[cause] = AlarmFact(
            priority=alarm.priority, text=alarm.text, since_us=alarm.since_us, is_acknowledged=True
        )
        return True

    @property
    def facts(self) -> dict[str, AlarmFact]:
        """Give the alarms in force, the oldest first."""
        return dict(self._alarms)
