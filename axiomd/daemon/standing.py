"""Where the process stands in its life: recovering, ready, stopping; and the exit code it will end with.

A few facts that tasks tell each other. Whoever brings one about writes it, everybody reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from axiomd.contracts.errors import EXIT_OK


@dataclass(slots=True)
class Standing:
    """`is_ready`: recovered, tasks may act. `is_warm`: every compiled rule is at hand, so that bars may be looked at.

    `is_asked_to_stop`: no line is made anew from here on. `is_tape_over`: the feed has no more to give.
    """

    is_ready: bool = False
    is_warm: bool = False
    is_asked_to_stop: bool = False
    is_stopping: bool = False
    is_tape_over: bool = False
    exit_code: int = EXIT_OK
