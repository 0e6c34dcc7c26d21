"""Guards on our own condition and the market data's: latch, broker, journal, session, stale data, market halt."""

from __future__ import annotations

from axiomd.contracts.units import PPM
from axiomd.core.compiled import Row, njit
from axiomd.core.guards.api import COMPLETENESS_FROM, OFF

Check = tuple[bool, int, int]


@njit
def kill_switch(x: Row, limits: Row) -> Check:
    """Refuse while the latch is tripped."""
    return x.is_latched != 0, x.is_latched, 0


@njit
def broker_ready(x: Row, limits: Row) -> Check:
    """Refuse while the broker is not connected, or not reconciled."""
    return x.is_ready == 0, x.is_ready, 1


@njit
def journal_failure(x: Row, limits: Row) -> Check:
    """Refuse while the journal cannot be written."""
    return x.is_journal_ok == 0, x.is_journal_ok, 1


@njit
def session_open(x: Row, limits: Row) -> Check:
    """Refuse outside the session, and at or after the time of flattening."""
    return not x.open_us <= x.now_us < x.flatten_us, x.now_us, x.flatten_us


@njit
def is_stale(
    lateness_us: int, intervals: int, intervals_due: int, lateness_us_max: int, completeness_ppm: int
) -> tuple[bool, int, int]:
    """Say whether a symbol's data is beyond the limits: (stale, figure, limit) of the first limit that is passed."""
    if lateness_us_max != OFF and lateness_us > lateness_us_max:
        return True, lateness_us, lateness_us_max
    is_judged = completeness_ppm != OFF and intervals_due >= COMPLETENESS_FROM
    if is_judged and intervals * PPM < completeness_ppm * intervals_due:
        return True, intervals * PPM // intervals_due, completeness_ppm
    return False, lateness_us, lateness_us_max


@njit
def stale_data(x: Row, limits: Row) -> Check:
    """Refuse in a symbol whose bars are late or missing (04: lateness, completeness of this session's intervals)."""
    return is_stale(x.lateness_us, x.intervals, x.intervals_due, limits.lateness_us, limits.completeness_ppm)


@njit
def market_halt_proxy(x: Row, limits: Row) -> Check:
    """Refuse in a symbol that fell silent while others trade, or whose CLOSE has just jumped."""
    if limits.jump_bp != OFF and x.now_us < x.jump_until_us:
        return True, x.jump_until_us - x.now_us, 0
    if limits.silent_us != OFF and x.others > 0 and x.silent_us >= limits.silent_us:
        return 2 * x.others_heard >= x.others, x.silent_us, limits.silent_us
    return False, x.silent_us, limits.silent_us
