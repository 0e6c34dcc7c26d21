"""The world a daemon runs in: feed, clock, broker, metrics, control and notification, on top of a run.

None of it changes a decision, so none of it enters `config_hash`; a replay reads the same file and leaves it aside.
Secrets have no key here: they come from the environment or from systemd credentials alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from axiomd.contracts.exact import Count, Positive
from axiomd.contracts.runs import RunConfig, Strict, unique_symbols


class FeedConfig(Strict):
    """Say where bars come from, how fast market time runs, and where warm-up bars come from."""

    kind: Literal["synthetic", "file", "ib"] = "synthetic"
    path: str | None = None
    speed: Positive | Literal["max"] = Decimal(1)
    history: Literal["store", "file", "ib"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> FeedConfig:
        if self.kind == "file" and self.path is None:
            raise ValueError("feed.kind file needs feed.path")
        if self.kind == "ib" and self.speed != 1:
            raise ValueError("feed.speed holds for recorded and synthetic feeds only")
        return self


class ClockConfig(Strict):
    """Say whose time is market time: the machine's or that of the feed's bars."""

    kind: Literal["system", "feed"] = "system"


class SimBrokerConfig(Strict):
    """Say whether the simulated broker lives inside the daemon's process."""

    inside: bool = False


Port = Annotated[int, Field(ge=0, le=65535)]


class IbBrokerConfig(Strict):
    """Say where Interactive Brokers' gateway listens and which ids and account are ours."""

    host: str = "127.0.0.1"
    port: Port = 4002
    client_id: Count = 17
    kill_client_id: Count = 18
    account: str = "DU1234567"

    @model_validator(mode="after")
    def _two_ids(self) -> IbBrokerConfig:
        if self.client_id == self.kill_client_id:
            raise ValueError("client_id and kill_client_id must differ")
        return self


class BrokerConfig(Strict):
    """Say who executes orders."""

    kind: Literal["sim", "ib"] = "sim"
    sim: SimBrokerConfig = SimBrokerConfig()
    ib: IbBrokerConfig = IbBrokerConfig()


class MetricsConfig(Strict):
    """Say where the metrics server listens; port 0 is any free one."""

    host: str = "127.0.0.1"
    port: Port = 9464


class ControlConfig(Strict):
    """Name the group whose members may open the control socket besides the owner."""

    group: str | None = None


class DaemonSection(Strict):
    """Say how old a setup may be, and what becomes of entries at a stop and of an unprotected position."""

    max_signal_age_s: Annotated[Positive, Field(le=1_000_000_000)] = Decimal(5)
    on_shutdown: Literal["cancel", "leave"] = "cancel"
    unprotected: Literal["protect", "flatten"] = "protect"


class NotifyConfig(Strict):
    """List where alarms are sent."""

    urls: tuple[str, ...] = ()


class DaemonConfig(RunConfig):
    """Hold a run and the world it runs in; a replay reads the same file and leaves these keys aside."""

    mode: Literal["paper", "live"] = "paper"
    feed: FeedConfig = FeedConfig()
    clock: ClockConfig = ClockConfig()
    broker: BrokerConfig = BrokerConfig()
    metrics: MetricsConfig = MetricsConfig()
    control: ControlConfig = ControlConfig()
    daemon: DaemonSection = DaemonSection()
    own_symbols: Annotated[tuple[str, ...], BeforeValidator(unique_symbols)] = ()
    notify: NotifyConfig = NotifyConfig()
