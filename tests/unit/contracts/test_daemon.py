"""The daemon's own keys, and what they may not say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from axiomd.contracts.daemon import DaemonConfig

BASE = {"strategy": {"name": "inside_bar"}, "symbols": ["SPY"], "risk": {}}


def test_defaults_are_a_synthetic_market_at_a_simulated_broker() -> None:
    config = DaemonConfig.model_validate(BASE)

    assert (
        "paper",
        "synthetic",
        "sim",
        "system",
    ) == (config.mode, config.feed.kind, config.broker.kind, config.clock.kind)
    assert (4002, 17, 18) == (config.broker.ib.port, config.broker.ib.client_id, config.broker.ib.kill_client_id)
    assert ("127.0.0.1", 9464, None) == (config.metrics.host, config.metrics.port, config.control.group)
    assert (
        5,
        "cancel",
        "protect",
    ) == (config.daemon.max_signal_age_s, config.daemon.on_shutdown, config.daemon.unprotected)


@pytest.mark.parametrize(
    "keys",
    [
        {"mode": "both"},
        {"feed": {"kind": "file"}},
        {"feed": {"kind": "ib", "speed": 2}},
        {"feed": {"speed": 0}},
        {"feed": {"speed": "fast"}},
        {"broker": {"ib": {"client_id": 1, "kill_client_id": 1}}},
        {"metrics": {"port": 70000}},
        {"own_symbols": ["A", "a"]},
        {"daemon": {"on_shutdown": "sell"}},
        {"password": "secret"},
    ],
)
def test_what_no_daemon_could_run_with_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DaemonConfig.model_validate({**BASE, **keys})


@pytest.mark.parametrize("speed", ["max", 1, 60, "2.5"])
def test_market_time_may_run_at_any_positive_speed(speed: object) -> None:
    assert str(speed) == str(DaemonConfig.model_validate({**BASE, "feed": {"speed": speed}}).feed.speed)
