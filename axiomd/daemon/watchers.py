"""Three that look at something every moment and tell the desk: the latch, the clocks, the health of the tasks.

The latch may be tripped by anybody, at any time; the desk hears of it within a tenth of a second. The wall clock is
held against the monotonic one since the start (04, ClockSkew). The watchdog is fed only while every task lives, so that
a hung engine stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import anyio

from axiomd import latch
from axiomd.contracts import events as e
from axiomd.contracts.risk import ClockSkew
from axiomd.daemon.alarms import Alarms
from axiomd.daemon.clock import monotonic_us, wall_us
from axiomd.daemon.desk import Desk
from axiomd.daemon.health import Heartbeats
from axiomd.daemon.identity import Identity
from axiomd.daemon.inbox import DEPTH_MAX, Inbox, Urgent
from axiomd.daemon.portrait import Portrait
from axiomd.daemon.standing import Standing
from axiomd.daemon.systemd import Notifier
from axiomd.observe.metrics import Metrics

LATCH_LOOK_S: Final = 0.1
CLOCK_LOOK_S: Final = 0.5
HEALTH_LOOK_S: Final = 1.0
SKEW: Final = "ClockSkew"


async def watch_latch(
    desk: Desk, identity: Identity, *, inbox: Inbox, standing: Standing, beats: Heartbeats
) -> None:  # fmt: skip
    """Tell the desk of every trip that it has not heard of."""
    while True:
        beats.beat("latch", monotonic_us())
        if standing.is_ready:
            state = latch.read(identity.places.state_dir)
            if state.is_tripped and state.trip_id != desk.engine.trip_id:
                inbox.put(Urgent(partial(desk.found_tripped, state), "latch"))
        await anyio.sleep(LATCH_LOOK_S)


async def watch_clock(
    desk: Desk, limit: Callable[[], ClockSkew | None], *, inbox: Inbox, standing: Standing, beats: Heartbeats,
    alarms: Alarms,
) -> None:  # fmt: skip
    """Hold the wall clock against the monotonic one; a step beyond the limit of now trips once. A look costs little."""
    ahead_us = wall_us() - monotonic_us()
    while True:
        beats.beat("clock", monotonic_us())
        skew_us, now = wall_us() - monotonic_us() - ahead_us, limit()
        if standing.is_ready and now is not None and abs(skew_us) > now.ms * 1000:
            # measured from here on: one step is one trip, and an operator can resume after it
            ahead_us += skew_us
            text = f"the wall clock stepped by {skew_us // 1000} ms, the limit is {now.ms} ms"
            alarms.put(SKEW, "urgent", text, desk.market_us)
            inbox.put(Urgent(partial(_trip_on_skew, desk, skew_us), "skew"))
        await anyio.sleep(CLOCK_LOOK_S)


async def _trip_on_skew(desk: Desk, skew_us: int) -> None:
    await desk.take(e.ClockSkewed(ts_us=desk.market_us, skew_us=skew_us, against="monotonic"))
    await desk.trip("halt", f"ClockSkew: the wall clock stepped by {skew_us // 1000} ms", "guard", SKEW)


async def watch_health(
    portrait: Portrait, notifier: Notifier, metrics: Metrics, *, inbox: Inbox, standing: Standing, beats: Heartbeats
) -> None:  # fmt: skip
    """Feed systemd's watchdog while every task is healthy, and the series that are a state."""
    look_s = min(notifier.beat_s or HEALTH_LOOK_S, HEALTH_LOOK_S)
    while True:
        now_us = monotonic_us()
        health = beats.judge(now_us)
        if health.is_healthy:
            notifier.alive()
        notifier.status(portrait.line() if health.is_healthy else health.status)
        for name, age_s in beats.ages_s(now_us).items():
            is_desk = name == "desk"
            metrics.task(
                name,
                heartbeat_age_s=age_s,
                depth=inbox.depth if is_desk else 0,
                depth_max=DEPTH_MAX if is_desk else 0,
            )
        if standing.is_ready:
            metrics.show(portrait.state()[1])
        await anyio.sleep(look_s)
