"""The two pictures of a run: equity with its trades, and drawdown, both over trading time.

It draws what equity_curve.csv and trades.csv say and computes no figure. Nights take no room: each session is one unit
wide. The same files give the same bytes. It loads matplotlib, so it is imported only where a picture is drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from axiomd.contracts.errors import InputError
from axiomd.runs.folder import RunFiles, read_run

SIZE_INCHES: Final = (10.0, 4.6)
DPI: Final = 120
TICKS_MAX: Final = 10
WHOLE_FROM: Final = 20.0
"""From a range as wide as this the ticks of an axis of money are whole."""
BOUNDARIES_MAX: Final = 60
"""More sessions than this and their boundaries would be a grey wall."""

INK: Final = "#22313f"
MUTED: Final = "#7f8c9a"
LINE: Final = "#1f5fa8"
WON: Final = "#1b8a5a"
LOST: Final = "#c0392b"

_STYLE: Final[Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign is a dollar sign
}


def draw_curves(folder: Path) -> tuple[Path, Path]:
    """Write equity_curve.png and drawdown_curve.png into a run folder from its CSV files; give both paths.

    Raises `InputError` where the folder is no run or cannot be written.
    """
    run = read_run(folder)
    axis = _TradingTime.of([datetime.fromisoformat(row["ts"]) for row in run.curve], ZoneInfo(str(run.manifest["tz"])))
    equity, drawdown = folder / "equity_curve.png", folder / "drawdown_curve.png"
    with rc_context():
        # a matplotlibrc of the machine must not change the bytes
        rcdefaults()
        rcParams.update(_STYLE)
        _save(_equity_figure(run, axis), equity)
        _save(_drawdown_figure(run, axis), drawdown)
    return equity, drawdown


@dataclass(frozen=True, slots=True)
class _TradingTime:
    """Times as places on an axis without nights: session number plus the share of the day's hours gone by."""

    moments: tuple[datetime, ...]
    places: tuple[float, ...]
    days: tuple[date, ...]

    @classmethod
    def of(cls, moments: Sequence[datetime], tz: ZoneInfo) -> _TradingTime:
        local = [moment.astimezone(tz) for moment in moments]
        days = sorted({moment.date() for moment in local})
        number = {day: index for index, day in enumerate(days)}
        clocks = [timedelta(hours=m.hour, minutes=m.minute, seconds=m.second) for m in local]
        first, last = (min(clocks), max(clocks)) if clocks else (timedelta(0), timedelta(0))
        width = max(last - first, timedelta(minutes=1))
        places = tuple(number[m.date()] + (clock - first) / width for m, clock in zip(local, clocks, strict=True))
        return cls(tuple(moments), places, tuple(days))

    def after(self, moment: datetime) -> int | None:
        """Give the first row later than a moment: the one in which a fill of the bar begun then is known."""
        row = bisect_right(self.moments, moment)
        return row if row < len(self.moments) else None


def _equity_figure(run: RunFiles, axis: _TradingTime) -> Figure:
    figure, axes = _canvas(run, axis, f"equity ({run.currency})")
    equity = [float(row["equity"]) for row in run.curve]
    start = float(run.metrics["initial_cash"])
    axes.axhline(start, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(axis.places, equity, color=LINE, linewidth=1.6, solid_joinstyle="round", zorder=3)
    for colour, name, sign in ((WON, "winning exit", 1), (LOST, "other exit", -1)):
        rows = [_exit_row(axis, trade) for trade in run.trades if (float(trade["net_pnl"]) > 0) == (sign > 0)]
        shown = [row for row in rows if row is not None]
        if shown:
            axes.scatter(
                [axis.places[row] for row in shown], [equity[row] for row in shown],
                s=22, color=colour, edgecolors="white", linewidths=0.6, zorder=4, label=f"{name} ({len(shown)})",
            )  # fmt: skip
    if run.trades:
        axes.legend(loc="best", frameon=False, fontsize=8)
    net = float(run.metrics["net_pnl"])
    _caption(axes, f"net {net:+,.2f} {run.currency} · {len(run.trades)} trades · start {start:,.2f}")
    return figure


def _drawdown_figure(run: RunFiles, axis: _TradingTime) -> Figure:
    figure, axes = _canvas(run, axis, f"drawdown ({run.currency})")
    drawdown = [float(row["drawdown"]) for row in run.curve]
    axes.fill_between(axis.places, drawdown, 0.0, color=LOST, alpha=0.18, linewidth=0)
    axes.plot(axis.places, drawdown, color=LOST, linewidth=1.3, zorder=3)
    deepest = float(run.metrics["max_drawdown"])
    # the deepest mark lies between two rows, so it is a line and no point
    axes.axhline(deepest, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(bottom=1.08 * min(deepest, *drawdown, -1.0), top=0.0)
    percent = float(run.metrics["max_drawdown_pct"])
    _caption(axes, f"deepest {deepest:,.2f} {run.currency} ({percent:.2f} %) at the closes of the fill timeframe")
    return figure


def _canvas(run: RunFiles, axis: _TradingTime, unit: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    figure.suptitle(run.label, x=0.01, ha="left", fontsize=11, fontweight="bold")
    axes.set_ylabel(unit)
    axes.set_xlabel(f"session ({run.manifest['tz']}); nights left out")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.{_decimals(axes)}f}"))
    axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
    count = len(axis.days)
    if 1 < count <= BOUNDARIES_MAX:
        for number in range(1, count):
            axes.axvline(number, color=MUTED, alpha=0.35, linewidth=0.7)
    step = max(1, -(-count // TICKS_MAX))
    shown = range(0, count, step)
    axes.set_xticks([number + 0.5 for number in shown], [axis.days[number].isoformat() for number in shown])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(0, max(count, 1))
    return figure, axes


def _decimals(axes: Any) -> int:
    low, high = axes.get_ylim()
    return 0 if high - low >= WHOLE_FROM else 2


def _caption(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9, color=MUTED)


def _exit_row(axis: _TradingTime, trade: dict[str, str]) -> int | None:
    return axis.after(datetime.fromisoformat(trade["exit_ts"]))


def _save(figure: Figure, path: Path) -> None:
    fresh = path.with_name(f".{path.name}.new")
    try:
        figure.savefig(fresh, format="png", metadata={"Software": None})
        fresh.replace(path)
    except OSError as error:
        raise InputError(
            f"the picture cannot be written ({error.strerror or error})", str(path), "check the folder's permissions"
        ) from error
