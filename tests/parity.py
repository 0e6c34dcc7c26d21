"""The product's replay held against the second reading: the same orders, reasons, trades and equity, or what not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from axiomd.config.binding import bind
from axiomd.contracts.outcome import RunRecord
from axiomd.contracts.runs import RunConfig
from axiomd.contracts.units import PRICE_SCALE
from axiomd.core.kernel_run import SelectCandidates
from axiomd.core.market.tape import Tape
from axiomd.core.strategies.stage1 import listed
from axiomd.replay.driver import Replay
from axiomd.replay.identity import Identity
from tests.markets import Row
from tests.reference.reading import Reading, read_day

RUN_ID = "replay-parity"


def replay_record(config: Mapping[str, Any], tape: Tape, select: SelectCandidates | None = None) -> RunRecord:
    """Run the product's engine over a tape in memory, with candidates as listed or as `select` says."""
    parsed = RunConfig.model_validate(config)
    plan = bind(parsed, tape.sessions, tape.timeframe_us, RUN_ID, "replay")
    chosen = {own.id: listed(own.symbols, max_candidates=50) for own in plan.strategies}
    replay = Replay(plan, tape, None, select or (lambda _: chosen), identity=Identity(RUN_ID, "", {}, "0"))
    replay.run()
    return replay.recorder.record


def differences(config: Mapping[str, Any], rows: Sequence[Row], tape: Tape) -> list[str]:
    """Run both and name what differs, first things first."""
    timeframe = "m1" if tape.timeframe_us == 60_000_000 else "m5"
    reading = read_day(config, rows, timeframe, run_id=RUN_ID)
    return compare(reading, replay_record(config, tape))


def compare(reading: Reading, record: RunRecord) -> list[str]:
    """Name what differs between a reading and a record."""
    out: list[str] = []
    for name, theirs, ours in (
        ("signal", sorted(map(_their_signal, reading.signals)), sorted(map(_our_signal, record.signals))),
        ("order", sorted(map(_their_order, reading.filled_orders)), sorted(map(_our_order, record.orders))),
        ("trade", sorted(map(_their_trade, reading.trades)), sorted(map(_our_trade, record.trades))),
        ("curve", list(map(_their_point, reading.equity_curve)), list(map(_our_point, record.curve))),
    ):
        for place, (their, our) in enumerate(zip(theirs, ours, strict=False)):
            if their != our:
                out.append(f"{name} {place}: read {their}, replayed {our}")
                break
        if len(theirs) != len(ours):
            out.append(f"{len(theirs)} {name}s read, {len(ours)} replayed")
    for name, (notional, exposed, beyond) in reading.activity.items():
        ours = record.by_strategy[name]
        # each fill's notional is cut to a whole unit
        short = _units(notional) - ours.turnover_units
        counts = (exposed, beyond), (ours.moments_exposed, ours.fills_beyond_volume)
        if not 0 <= short <= 2 * len(record.trades) + 1 or counts[0] != counts[1]:
            out.append(f"activity of {name}: read {notional} {counts[0]}, replayed {ours}")
    return out


def _their_signal(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("long_entry", "short_entry", "sl_long", "sl_short", "tp_long", "tp_short")
    return (row["ts_us"], row["symbol"], row["strategy"], *(_units(row[name]) for name in names))


def _our_signal(signal: Any) -> tuple[Any, ...]:
    names = ("long_entry", "short_entry", "sl_long", "sl_short", "tp_long", "tp_short")
    return (signal.ts_us, signal.symbol, signal.strategy, *(getattr(signal, name) or 0 for name in names))


def _their_order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["idempotency_key"], row["side"], int(row["qty"]), _units(row["stop_price"]), _units(row["fill_price"]),
        int(row["fill_qty"] or 0), _plain(row["reason"]), row["valid_to_us"],
    )  # fmt: skip


def _our_order(outcome: Any) -> tuple[Any, ...]:
    order = outcome.order
    return (
        order.idempotency_key, order.side, order.qty, order.stop_price or 0, outcome.fill_price or 0, outcome.fill_qty,
        _plain(outcome.reason), order.valid_to_us,
    )  # fmt: skip


def _their_trade(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["idempotency_key"], row["entry_ts_us"], row["exit_ts_us"], row["exit_reason"], _units(row["entry_price"]),
        _units(row["exit_price"]), int(row["qty"]), _units(row["gross_pnl"]), _units(row["costs"]),
        _units(row["net_pnl"]), bool(row["ambiguous"]), int(row["bars_held"]),
        _mae(row["exit_reason"], _units(row["mae"])), _units(row["mfe"]), _ratio(row["r_multiple"]), row["strategy"],
    )  # fmt: skip


def _our_trade(trade: Any) -> tuple[Any, ...]:
    return (
        trade.idempotency_key, trade.entry_ts_us, trade.exit_ts_us, trade.exit_reason, trade.entry_price,
        trade.exit_price, trade.qty, trade.gross_pnl, trade.costs, trade.net_pnl, trade.ambiguous, trade.bars_held,
        _mae(trade.exit_reason, trade.mae), trade.mfe, _ratio(trade.r_multiple), trade.strategy,
    )  # fmt: skip


def _their_point(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["ts_us"], *(_units(row[name]) for name in ("equity", "cash", "gross_exposure", "drawdown"))
    )  # fmt: skip


def _our_point(point: Any) -> tuple[Any, ...]:
    return (point.ts_us, point.equity, point.cash, point.gross_exposure, point.drawdown)


def _units(value: Any) -> Any:
    return 0 if value is None or value == "" else value * PRICE_SCALE


def _mae(exit_reason: str, value: Any) -> Any:
    """Of a target's bar the reading takes the far side too, the product its exit price alone (decision 0003)."""
    return None if exit_reason == "TP" else value


def _ratio(value: Any) -> str:
    """A ratio is a float by nature: told to the digits that a file shows."""
    return "" if value is None else f"{float(value):.6f}"


def _plain(reason: str) -> str:
    """Guards are named MaxGrossExposure by one and max_gross_exposure by the other."""
    return re.sub(r"[^a-z:]", "", reason.lower())


def random_config(dice: Any, symbols: Sequence[str]) -> dict[str, Any]:
    """Draw a run configuration: parameters, sizing, costs, fills and limits, whether they bind or not."""
    config: dict[str, Any] = {
        "initial_cash": dice.choice((20_000, 100_000, 1_000_000)),
        "costs": {
            "commission_per_share": dice.choice((0, "0.0035", "0.01")),
            "commission_min": dice.choice((0, 1, "0.35")),
            "commission_bps": dice.choice((0, "0.5", 3)),
            "slippage_bps": dice.choice((0, 1, "2.5")),
            "slippage_ticks": dice.choice((0, 0, 1, 2)),
        },
        "fills": {"ambiguity": dice.choice(("worst", "worst", "skip")), "flatten_minutes": dice.choice((0, 5, 5, 17))},
        "instrument": {"tick_size": dice.choice(("0.01", "0.01", "0.05")), "lot": dice.choice((1, 1, 10))},
        "resume": dice.choice(("next_session", "next_session", "never")),
        "risk": random_risk(dice, symbols),
    }
    if dice.random() < 0.2:
        config["currency"], config["fx"] = "EUR", {"EURUSD": "1.25"}  # a rate whose inverse ends
    if dice.random() < 0.25 and len(symbols) > 1:
        cut = dice.randrange(1, len(symbols))
        config["strategies"] = [
            _random_strategy(dice, "early", symbols),
            {**_random_strategy(dice, "late", symbols[cut:]), "budget_pct": dice.choice((25, 50, 100))},
        ]
        if dice.random() < 0.5:
            config["strategies"][0]["max_daily_loss"] = dice.choice((50, 200, 1000))
    else:
        own = _random_strategy(dice, "inside_bar", symbols)
        config["strategy"] = {"name": "inside_bar", "params": own["params"]}
        config["symbols"], config["sizing"] = own["symbols"], own["sizing"]
    return config


def _random_strategy(dice: Any, name: str, symbols: Sequence[str]) -> dict[str, Any]:
    params: dict[str, Any] = {
        "inside_bar_mode": dice.choice(("inclusive", "strict")),
        "min_mother_range_atr": dice.choice((0, "0.5", "0.25", 1)),
        "atr_period": dice.choice((14, 5, 2)),
        "entry_offset_ticks": dice.choice((1, 0, 3)),
        "risk_reward": dice.choice((2, "1.5", "0.7", "1.1", 5)),
        "sides": dice.choice(("both", "both", "both", "long", "short")),
        "validity": dice.choice(("window_end", "session_end")),
    }
    if dice.random() < 0.3:
        params["stop_cap_ticks"] = dice.choice((2, 5, 9))
    if dice.random() < 0.3:
        params["entry_limit_ticks"] = dice.choice((0, 2, 10))
    if dice.random() < 0.5:
        params["windows"] = dice.choice(
            (["09:30-16:00"], ["09:30-10:30", "10:30-12:00", "12:00-13:00", "13:00-16:00"], ["15:00-16:00"])
        )
    elif dice.random() < 0.2:
        params["windows"], params["windows_tz"] = ["15:30-17:00", "20:00-21:00"], "Europe/Berlin"
    sizing = {
        "mode": dice.choice(("fixed", "pct_equity", "risk")),
        "fixed_qty": dice.choice((100, 10, 55)),
        "pos_pct": dice.choice((10, "33.3", 100)),
        "risk_pct": dice.choice((1, "0.25")),
        "max_pos_pct": dice.choice((100, 20, 400)),
        "max_volume_pct": dice.choice((None, None, 1, 10)),
        "min_qty": dice.choice((1, 1, 40)),
    }
    return {"id": name, "name": "inside_bar", "params": params, "symbols": list(symbols), "sizing": sizing}


def random_risk(dice: Any, symbols: Sequence[str]) -> dict[str, Any]:
    """Draw limits: none, a few that bind, or many."""
    level = lambda: dice.choice(("halt", "flatten"))  # noqa: E731
    pool: dict[str, Any] = {
        "max_gross_exposure": dice.choice((5_000, 30_000, 200_000)),
        "max_net_exposure": dice.choice((5_000, 30_000)),
        "max_order_notional": dice.choice((3_000, 20_000)),
        "max_open_positions": dice.choice((1, 2)),
        "max_open_orders": dice.choice((1, 2, 4)),
        "per_symbol_max_qty": dice.choice((60, {"default": 1000, symbols[0]: 20})),
        "max_daily_loss": {"limit": dice.choice((20, 100, 500)), "level": level()},
        "max_drawdown": {"limit": dice.choice((50, 200, 1000)), "level": level()},
        "consecutive_losses": {"count": dice.choice((2, 4)), "level": level()},
        "slippage_sanity": {"entry_bp": dice.choice((5, 30, 300)), "fill_bp": dice.choice((3, 20, 50))},
        "price_collar": {"atr": dice.choice((1, 3))},
        "market_halt_proxy": {
            "silent_minutes": dice.choice((2, 5)), "jump_bp": dice.choice((15, 100)), "cooldown_minutes": 5,
        },
        "stale_data": {"lateness_minutes": dice.choice((0, 1, 5)), "completeness": dice.choice(("0.99", "0.9"))},
        "buying_power": {"multiple": dice.choice((1, "0.2"))},
        "short_allowed": dice.choice((False, {"default": True, symbols[-1]: False})),
        "restricted_list": [symbols[0]],
        "message_rate": {"orders": dice.choice((1, 2, 3)), "seconds": dice.choice((10, 600))},
        "repeated_execution": {"fills": dice.choice((2, 3)), "seconds": dice.choice((300, 1800))},
    }  # fmt: skip
    chosen = dice.sample(sorted(pool), dice.choice((0, 0, 1, 2, 3, 6)))
    return {key: pool[key] for key in chosen}


def lone_case(seed: int) -> tuple[dict[str, Any], Tape]:
    """Draw one symbol on bars of its strategy's own, half of the time without any limit: the kernel's short ways."""
    import random

    from tests.markets import SPANS, random_market, sessions_of, tape_of

    dice = random.Random(f"lone {seed}")
    table = sessions_of(dice.choice(SPANS))
    rows = random_market(
        seed, ["AAA"], table, step_minutes=5, missing=dice.choice((0, 0.01, 0.1, 0.4)), between=0,
        wildness=dice.choice((2, 4, 12)),
    )  # fmt: skip
    config = random_config(dice, ["AAA"])
    if dice.random() < 0.25:
        config["risk"] = {}
    return config, tape_of(rows, table, 5)


def random_case(seed: int) -> tuple[dict[str, Any], list[Row], Tape]:
    """Draw a market and a configuration."""
    import random

    from tests.markets import SPANS, random_market, sessions_of, tape_of

    dice = random.Random(seed)
    symbols = ["AAA", "BBB", "CCC", "DDD"][: dice.choice((1, 1, 2, 4))]
    span = dice.choice(SPANS)
    table = sessions_of(span)
    step = dice.choice((1, 1, 5))
    rows = random_market(
        seed,
        symbols,
        table,
        step_minutes=step,
        missing=dice.choice((0, 0.01, 0.1, 0.4)),
        between=dice.choice((0, 0.1)),
        wildness=dice.choice((2, 4, 12)),
    )
    order = list(symbols)
    dice.shuffle(order)
    return random_config(dice, order), rows, tape_of(rows, table, step)
