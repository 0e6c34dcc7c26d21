"""The broker's truth taken for ours: what that means for our books, worked out before it is written down.

Only an operator asks for it, while latched. Nothing at the broker changes by it but foreign entries, which are taken
off: shares that no journal of ours explains become the operator's own, known and never touched again.
"""

from __future__ import annotations

from axiomd.contracts import events as e
from axiomd.contracts.orders import split_reference
from axiomd.contracts.truth import Truth
from axiomd.core.engine import Engine


def adoption_of(
    engine: Engine, truth: Truth, *, ts_us: int, reason: str, operator: str, since_us: int
) -> e.ReconAdopted:
    """Compare after everything unheard was taken in. `since_us`: older reports are of closed sessions."""
    ours = {holding.order.symbol: holding.sign * holding.qty for holding in engine.holdings.values()}
    dropped: dict[str, int] = {}
    foreign: dict[str, int] = {}
    for symbol in sorted(ours.keys() | truth.positions.keys()):
        own, theirs = ours.get(symbol, 0), truth.positions.get(symbol, 0)
        kept = _common(own, theirs)
        if own != kept:
            dropped[symbol] = own - kept
        if theirs != kept:
            foreign[symbol] = theirs - kept
    strange = [order.reference for order in truth.orders] + [
        report.fill.reference for report in truth.reports if isinstance(report, e.FillReceived)
    ]
    return e.ReconAdopted(
        ts_us=ts_us,
        reason=reason,
        operator=operator,
        positions={symbol: qty for symbol, qty in truth.positions.items() if qty},
        dropped=dropped,
        foreign=foreign,
        references=tuple(sorted({split_reference(each).key for each in strange} - engine.book.legs.keys())),
        executions=tuple(
            report.fill.exec_id
            for report in truth.reports
            if isinstance(report, e.FillReceived)
            and report.ts_us > since_us
            and not engine.knows_execution(report.fill.exec_id)
        ),
    )


def _common(own: int, theirs: int) -> int:
    """Give what both have: nothing where they stand on different sides."""
    if own * theirs <= 0:
        return 0
    return min(own, theirs) if own > 0 else max(own, theirs)
