"""What the guards said of an order, kept as the text that the journal has of it.

With each order go twenty figures and limits, and hardly anybody looks at them again: as text they are made once, by
compiled code, and as records only for who reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

Verdict = tuple[str, int, int]
"""Guard, figure, limit."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(tuple[Verdict, ...]).decode
NO_VERDICTS: Final = msgspec.Raw(_encode(()))


def text_of(verdicts: Sequence[Verdict]) -> msgspec.Raw:
    """Write verdicts down."""
    return msgspec.Raw(_encode(verdicts))


def text_behind(before: msgspec.Raw, verdict: Verdict) -> msgspec.Raw:
    """Write one more down behind others."""
    return text_of((*read(before), verdict))


def read(text: msgspec.Raw) -> tuple[Verdict, ...]:
    """Read them back; `msgspec.MsgspecError` where it is none of ours."""
    return _decode(text)
