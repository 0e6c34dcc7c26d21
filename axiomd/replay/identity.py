"""What names a run: its id, and the configuration and code that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a run in its journal."""

    run_id: str
    config_hash: str
    config: Mapping[str, Any]
    code_version: str
