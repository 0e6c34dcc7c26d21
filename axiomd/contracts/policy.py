"""What a strategy must show before it is promoted, and the record that says it was.

It says what the policy asks and what a promotion is bound to: one strategy version under one configuration. It judges
nothing: `axiomd.promotion` does, and a person still approves.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from axiomd.contracts.exact import Count, Exact, exact

Stage = Literal["experiment", "lab", "paper", "live"]
STAGES: Final[tuple[Stage, ...]] = ("experiment", "lab", "paper", "live")
GATES: Final = ("data_quality_check", "metrics_thresholds", "dryrun_paper_broker_check")
"""The gates in the order in which they are tried."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PromotionPolicy(_Strict):
    """Hold the thresholds of one promotion.

    ``min_win_rate`` is a share from 0 to 1; ``max_drawdown`` is the deepest drawdown allowed, in account currency as
    in metrics.json, zero or below.
    """

    min_num_trades: Count
    min_win_rate: Annotated[Exact, Field(ge=0, le=1)]
    max_drawdown: Annotated[Exact, Field(le=0)]
    min_sharpe: Exact
    data_sla_pass: bool

    @field_validator("max_drawdown", mode="before")
    @classmethod
    def _as_a_loss(cls, value: object) -> Decimal:
        # A limit of 5000 and one of -5000 mean the same loss; reading the first as a profit would pass nothing.
        return -abs(exact(value))


class GateResult(_Strict):
    """Say what one gate found: its figure and limit as text, empty where it has none."""

    gate: Literal["data_quality_check", "metrics_thresholds", "dryrun_paper_broker_check"]
    name: str
    figure: str
    limit: str
    passed: bool


class PromotionRecord(_Strict):
    """Say that exactly this strategy version under this configuration reached a stage, who approved it and when."""

    schema_version: Literal[1] = 1
    strategy: str
    strategy_version: str
    config_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    run_id: str
    stage: Stage
    gates: tuple[GateResult, ...]
    approved_by: str | None
    approved_at_us: int | None

    def admits(self, strategy: str, strategy_version: str, config_hash: str) -> bool:
        """Say whether live may start this strategy version under this configuration."""
        asked = (strategy, strategy_version, config_hash)
        return (
            self.stage == "live"
            and self.approved_by is not None
            and all(gate.passed for gate in self.gates)
            and asked == (self.strategy, self.strategy_version, self.config_hash)
        )
