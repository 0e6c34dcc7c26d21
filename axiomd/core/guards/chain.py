"""The chain: every guard in order, cheap first, one verdict each with its figure and its limit.

It is one compiled call an order. An order is refused whole by the first guard that says no.
"""

from __future__ import annotations

from typing import Final

from axiomd.core.board import Ints, Records
from axiomd.core.compiled import Row, njit
from axiomd.core.guards import exposure, health, order, price
from axiomd.core.sizing import fraction

GUARDS: Final = (
    "KillSwitch", "BrokerReady", "JournalFailure", "SessionOpen", "TickAndLot", "DuplicateOrder", "MessageRate",
    "RestrictedList", "ShortAllowed", "StaleData", "MarketHaltProxy", "PerSymbolMaxQty", "MaxOrderNotional",
    "SlippageSanity", "PriceCollar", "MaxOpenPositions", "MaxOpenOrders", "MaxGrossExposure", "MaxNetExposure",
    "BuyingPower",
)  # fmt: skip
PASSED: Final = len(GUARDS)


@njit
def judge(x: Row, limits: Row, verdicts: Ints) -> int:
    """Give the position of the guard that refuses, or `PASSED`; `verdicts` int64[20, 2] gets figure and limit."""
    refused, verdicts[0, 0], verdicts[0, 1] = health.kill_switch(x, limits)
    if refused:
        return 0
    refused, verdicts[1, 0], verdicts[1, 1] = health.broker_ready(x, limits)
    if refused:
        return 1
    refused, verdicts[2, 0], verdicts[2, 1] = health.journal_failure(x, limits)
    if refused:
        return 2
    refused, verdicts[3, 0], verdicts[3, 1] = health.session_open(x, limits)
    if refused:
        return 3
    refused, verdicts[4, 0], verdicts[4, 1] = order.tick_and_lot(x, limits)
    if refused:
        return 4
    refused, verdicts[5, 0], verdicts[5, 1] = order.duplicate_order(x, limits)
    if refused:
        return 5
    refused, verdicts[6, 0], verdicts[6, 1] = order.message_rate(x, limits)
    if refused:
        return 6
    refused, verdicts[7, 0], verdicts[7, 1] = order.restricted_list(x, limits)
    if refused:
        return 7
    refused, verdicts[8, 0], verdicts[8, 1] = order.short_allowed(x, limits)
    if refused:
        return 8
    refused, verdicts[9, 0], verdicts[9, 1] = health.stale_data(x, limits)
    if refused:
        return 9
    refused, verdicts[10, 0], verdicts[10, 1] = health.market_halt_proxy(x, limits)
    if refused:
        return 10
    refused, verdicts[11, 0], verdicts[11, 1] = order.per_symbol_max_qty(x, limits)
    if refused:
        return 11
    refused, verdicts[12, 0], verdicts[12, 1] = order.max_order_notional(x, limits)
    if refused:
        return 12
    refused, verdicts[13, 0], verdicts[13, 1] = price.slippage_sanity(x, limits)
    if refused:
        return 13
    refused, verdicts[14, 0], verdicts[14, 1] = price.price_collar(x, limits)
    if refused:
        return 14
    refused, verdicts[15, 0], verdicts[15, 1] = exposure.max_open_positions(x, limits)
    if refused:
        return 15
    refused, verdicts[16, 0], verdicts[16, 1] = exposure.max_open_orders(x, limits)
    if refused:
        return 16
    refused, verdicts[17, 0], verdicts[17, 1] = exposure.max_gross_exposure(x, limits)
    if refused:
        return 17
    refused, verdicts[18, 0], verdicts[18, 1] = exposure.max_net_exposure(x, limits)
    if refused:
        return 18
    refused, verdicts[19, 0], verdicts[19, 1] = exposure.buying_power(x, limits)
    return 19 if refused else 20


Stake = tuple[int, int, int, int, int, int, int]
"""What stands in a symbol, or in all of them together, in account currency.

(|position|, position, working group, its long leg, its short leg, working legs, positions and groups).
"""


@njit
def notional(long: int, short: int) -> int:
    """Give what is at stake in a group whose two sides are worth so much: one of them fills."""
    return max(long, short)


@njit
def stake_of(symbol: Row) -> Stake:
    """Give what stands in a symbol, its working group counted as filled."""
    value = fraction(symbol.position * symbol.close, symbol.fx_num, symbol.fx_den) if symbol.position != 0 else 0
    if symbol.work_legs <= 0:
        return abs(value), value, 0, 0, 0, 0, int(symbol.position != 0)
    long, short = symbol.work_long, symbol.work_short
    return abs(value), value, notional(long, short), long, short, symbol.work_legs, 1


@njit
def stake_of_all(symbols: Records) -> Stake:
    """Give what stands in all symbols together."""
    gross = net = notional = long = short = legs = count = 0
    for s in range(len(symbols)):
        one = stake_of(symbols[s])
        gross, net, notional, long = gross + one[0], net + one[1], notional + one[2], long + one[3]
        short, legs, count = short + one[4], legs + one[5], count + one[6]
    return gross, net, notional, long, short, legs, count


@njit
def heard_of(account: Row, symbols: Records, limits: Row) -> int:
    """Give how many symbols had a bar within the time that the proxy of a market halt allows."""
    heard = 0
    for s in range(len(symbols)):
        heard += int(lateness(account, symbols[s]) < limits.silent_us)
    return heard


@njit
def propose(
    x: Row, account: Row, symbols: Records, limits: Row, index: int, side: int, qty: int, entry: int, all_: Stake,
    heard: int,
) -> None:  # fmt: skip
    """Fill in the figures of an order in symbol `index`; its own group does not count (`entry` 0: the last CLOSE).

    `all_` and `heard` are `stake_of_all` and `heard_of` as they stand. What the board does not know (latch, broker,
    journal, duplicates, rate, the order's other prices) is the caller's.
    """
    own = symbols[index]
    price_ = entry if entry > 0 else own.close
    x.now_us = account.now_us
    x.open_us = account.open_us
    x.flatten_us = account.flatten_us
    x.side = side
    x.qty = qty
    x.entry = price_
    x.tick = own.tick
    x.lot = own.lot
    x.notional = fraction(price_ * qty, own.fx_num, own.fx_den)
    x.is_restricted = own.is_restricted
    x.is_short_allowed = own.is_short_allowed
    x.position = own.position
    x.max_qty = own.max_qty
    x.close = own.close
    x.lateness_us = lateness(account, own)
    x.intervals = own.intervals
    x.intervals_due = intervals_due(account)
    x.silent_us = x.lateness_us
    x.jump_until_us = own.jump_until_us
    x.atr = own.atr if own.atr_seen >= 14 else 0.0
    x.equity = account.equity
    mine = stake_of(own)
    x.positions = all_[6] - (mine[6] if own.position == 0 else 0)
    x.legs = all_[5] - mine[5]
    x.gross = all_[0] + all_[2] - mine[2]
    # what could offset the order never helps: of a group, only the leg on its own side counts
    x.net = all_[1] + (all_[3] - mine[3] if side > 0 else mine[4] - all_[4])
    x.others = len(symbols) - 1
    x.others_heard = heard - int(x.lateness_us < limits.silent_us)


@njit
def lateness(account: Row, symbol: Row) -> int:
    """Give by how much a symbol's newest bar lags behind the newest that should be there, in us of this session."""
    lag_us: int = account.now_us - max(symbol.last_ts_us + account.bar_us, account.open_us)
    return lag_us


@njit
def intervals_due(account: Row) -> int:
    """Give how many intervals of this session have ended."""
    ended: int = (min(account.now_us, account.close_us) - account.open_us) // account.interval_us
    return ended


@njit
def judge_order(
    x: Row, account: Row, symbols: Records, limits: Row, verdicts: Ints, index: int, side: int, qty: int, entry: int,
    stop_price: int, limit_price: int, stop_loss: int, target: int, is_latched: bool, is_ready: bool,
    is_journal_ok: bool, is_known: bool, sends: int,
) -> int:  # fmt: skip
    """Judge an order from plain numbers: `propose`, what the caller knows, then the chain."""
    return judge_beside(
        x, account, symbols, limits, verdicts, index, side, qty, entry, stop_price, limit_price, stop_loss, target,
        is_latched, is_ready, is_journal_ok, is_known, sends, stake_of_all(symbols), heard_of(account, symbols, limits),
    )  # fmt: skip


@njit
def judge_beside(
    x: Row, account: Row, symbols: Records, limits: Row, verdicts: Ints, index: int, side: int, qty: int, entry: int,
    stop_price: int, limit_price: int, stop_loss: int, target: int, is_latched: bool, is_ready: bool,
    is_journal_ok: bool, is_known: bool, sends: int, all_: Stake, heard: int,
) -> int:  # fmt: skip
    """Judge an order as `judge_order` does, where what stands in all symbols is known already."""
    propose(x, account, symbols, limits, index, side, qty, entry, all_, heard)
    x.stop_price = stop_price
    x.limit_price = limit_price
    x.stop_loss = stop_loss
    x.target = target
    x.is_latched = is_latched
    x.is_ready = is_ready
    x.is_journal_ok = is_journal_ok
    x.is_known = is_known
    x.sends = sends
    return judge(x, limits, verdicts)
