"""The screen of ``axiomd status``: what a person sees in three seconds, first whether all is well, last what happened.

It lays out and decides nothing. Colour is for the abnormal alone and never the only sign; without it every word is
still there. Text that comes from a broker or an operator cannot steer the terminal.
"""

from __future__ import annotations

from axiomd.cli.status import EXIT_HEALTHY, EXIT_KILLED, EXIT_NOT_RUNNING, PPM, Status, rows, table

EVENTS_SHOWN = 8
GUARDS_SHOWN = 6
ROWS_SHOWN = 12
BAR_CELLS = 10
WIDTH_MIN = 60
WARN_PPM = 800_000

_GREY, _RED, _AMBER, _MAGENTA, _BOLD = "90", "1;31", "33", "1;35", "1"
_EPOCH_DAYS = 719_468


class _Page:
    """Collect lines, cut to the width, with colour where it is wanted."""

    def __init__(self, *, is_coloured: bool, width: int) -> None:
        self._is_coloured = is_coloured
        self._width = max(width, WIDTH_MIN)
        self._lines: list[str] = []

    def line(self, text: str = "", colour: str = "") -> None:
        """Add one line."""
        cut = text if len(text) <= self._width else text[: self._width - 1] + "…"
        self._lines.append(f"\x1b[{colour}m{cut}\x1b[0m" if colour and self._is_coloured and cut else cut)

    def head(self, title: str) -> None:
        """Begin a section."""
        self.line()
        self.line(f"── {title} ".ljust(min(self._width, 78), "─"), _GREY)

    def columns(self, header: list[str], body: list[list[str]], right: set[int]) -> None:
        """Add a table, each column as wide as its widest cell."""
        widths = [max(len(row[c]) for row in [header, *body]) for c in range(len(header))]
        for number, row in enumerate([header, *body[:ROWS_SHOWN]]):
            cells = [cell.rjust(widths[c]) if c in right else cell.ljust(widths[c]) for c, cell in enumerate(row)]
            self.line("  " + "  ".join(cells).rstrip(), _GREY if number == 0 else "")
        if len(body) > ROWS_SHOWN:
            self.line(f"  {len(body) - ROWS_SHOWN} more", _GREY)

    def text(self) -> str:
        """Give the page."""
        return "\n".join(self._lines)


def screen(status: Status, *, is_coloured: bool, width: int) -> str:
    """Give the whole screen as text, without a newline at the end."""
    page = _Page(is_coloured=is_coloured, width=width)
    _title(page, status)
    _latch(page, status)
    for problem in status.problems:
        page.line(f"  ▲ {clean(problem)}", _AMBER)
    if status.state is not None:
        _account(page, status.state)
        _positions(page, status.state)
        _orders(page, status.state)
        _guards(page, status.state)
        _events(page, status.state)
    for other in status.others:
        page.line(f"also running here: {clean(other.instance)} ({clean(other.state_dir)})", _GREY)
    return page.text()


def _title(page: _Page, status: Status) -> None:
    found, present = status.found, status.found.presence
    sign, colour = {
        EXIT_HEALTHY: ("●", _BOLD),
        EXIT_KILLED: ("◆", _MAGENTA),
        EXIT_NOT_RUNNING: ("○", _RED),
    }.get(status.exit_code, ("▲", _AMBER))
    parts = [f"{sign} {status.health.upper()}"]
    if present is not None and found.is_running:
        mode = "LIVE  REAL MONEY" if present.mode == "live" else present.mode.upper()
        parts += [mode, present.account, found.instance, f"pid {present.pid}", f"axiomd {present.version}"]
    else:
        parts += [found.instance, found.state_dir]
    page.line("  ".join(clean(part) for part in parts), colour)
    if present is not None and not found.is_running:
        page.line(f"  last run {clean(present.run_id)} ({clean(present.mode)}, {clean(present.account)})", _GREY)
    if status.state is None:
        return
    clock, broker, journal = (table(status.state, name) for name in ("clock", "broker", "journal"))
    run = table(status.state, "run")
    session = f"{clean(clock.get('session', ''))} {'open' if clock.get('is_open') else 'closed'}"
    link = "connected" if broker.get("is_connected") else "NOT CONNECTED"
    truth = "reconciled" if broker.get("is_reconciled") else "NOT RECONCILED"
    page.line(
        f"  run {clean(run.get('run_id'))}  session {session}  market {time_text(clock.get('market_us'))}Z", _GREY
    )
    page.line(f"  broker {clean(broker.get('kind'))} {link}, {truth}  journal at {clean(journal.get('seq'))}", _GREY)
    for scope, until_us in sorted(table(status.state, "pauses").items()):
        what = "everything" if scope == "*" else clean(scope)
        ends = f"until {time_text(until_us)}Z" if until_us else "until it is lifted (axiomd unpause)"
        page.line(f"  ▲ PAUSED: {what}, no new entries {ends}", _AMBER)


def _latch(page: _Page, status: Status) -> None:
    latched = status.latch
    if not latched.is_tripped:
        page.line("  ARMED", _GREY)
        return
    told = f"  ◆ TRIPPED at level {latched.level}: {clean(latched.reason)}"
    if latched.by:
        told += f"  (by {clean(latched.by)}, {date_text(latched.at_us)} {time_text(latched.at_us)}Z)"
    page.line(told, _MAGENTA)
    page.line("    no opening order leaves; `axiomd resume --reason TEXT` releases it", _GREY)


def _account(page: _Page, state: dict[str, object]) -> None:
    account = table(state, "account")
    if not account:
        return
    unit = clean(account.get("currency"))
    page.head(f"Account · {unit}")
    pairs = [
        ("equity", "equity"), ("day", "day_pnl"), ("realised", "realised"), ("open", "unrealised"), ("cash", "cash"),
        ("gross", "gross"), ("net", "net"), ("working", "working"), ("drawdown", "drawdown"), ("costs", "costs"),
    ]  # fmt: skip
    cells = [f"{label:<9}{grouped(account.get(name)):>15}" for label, name in pairs]
    for first in range(0, len(cells), 3):
        page.line("  " + "   ".join(cells[first : first + 3]))
    page.line(f"  trades {clean(account.get('trades'))}, won {clean(account.get('won'))}")


def _positions(page: _Page, state: dict[str, object]) -> None:
    listed = rows(state, "positions")
    page.head(f"Positions {len(listed)}")
    body = [
        [
            clean(symbol), clean(row.get("side")), clean(row.get("qty")), clean(row.get("average")),
            clean(row.get("last")), clean(row.get("stop", "-")), clean(row.get("target", "-")),
            grouped(row.get("unrealised")), clean(row.get("strategy")), _protection(row),
        ]
        for symbol, row in sorted(listed)
    ]  # fmt: skip
    if body:
        header = ["SYMBOL", "SIDE", "QTY", "AVERAGE", "LAST", "STOP", "TARGET", "OPEN P&L", "STRATEGY", "AT BROKER"]
        page.columns(header, body, {2, 3, 4, 5, 6, 7})


def _protection(row: dict[str, object]) -> str:
    if row.get("is_closing"):
        return "closing"
    return clean(row.get("protected_by")) or "■ UNPROTECTED"


def _orders(page: _Page, state: dict[str, object]) -> None:
    listed = rows(state, "orders")
    page.head(f"Working entries {len(listed)}")
    body = [
        [
            clean(key)[:8], clean(row.get("symbol")), clean(row.get("side")), clean(row.get("type")),
            clean(row.get("qty")), clean(row.get("stop") or row.get("limit") or "-"),
            time_text(row.get("valid_to_us")), clean(row.get("cancelling") or row.get("state")).upper(),
            clean(row.get("strategy")),
        ]
        for key, row in sorted(listed, key=lambda pair: (str(pair[1].get("symbol")), str(pair[1].get("side"))))
    ]  # fmt: skip
    if body:
        header = ["KEY", "SYMBOL", "SIDE", "TYPE", "QTY", "PRICE", "UNTIL Z", "STATE", "STRATEGY"]
        page.columns(header, body, {4, 5})


def _guards(page: _Page, state: dict[str, object]) -> None:
    listed = rows(state, "guards")
    near = sorted(
        ((_whole(row.get("used_ppm")), name, row) for name, row in listed if "used_ppm" in row),
        key=lambda each: (-each[0], each[1]),
    )
    on = sum(1 for _, row in listed if row.get("is_on"))
    page.head(f"Guards {on} on, nearest to the limit first")
    for used_ppm, name, row in near[:GUARDS_SHOWN]:
        unit = clean(table(state, "account").get("currency")) if row.get("unit") == "money" else clean(row.get("unit"))
        shown = "" if unit == "count" else f" {unit}"
        colour = _RED if used_ppm >= PPM else _AMBER if used_ppm >= WARN_PPM else ""
        page.line(
            f"  {clean(name):<19}{bar(used_ppm)} {used_ppm // 10_000:>4} %  "
            f"{grouped(row.get('figure'))} / {grouped(row.get('limit'))}{shown}",
            colour,
        )


def _events(page: _Page, state: dict[str, object]) -> None:
    listed = sorted(rows(state, "events"), key=lambda pair: _whole(pair[0]), reverse=True)[:EVENTS_SHOWN]
    page.head("Last events")
    for seq, row in listed:
        page.line(
            f"  {clean(seq):>7}  {time_text(row.get('ts_us'))}  {clean(row.get('kind')):<19} "
            f"{clean(row.get('key'))[:8]:<8}  {clean(row.get('text'))}"
        )


def bar(used_ppm: int) -> str:
    """Draw a share of a limit in ten cells; anything above nothing shows.

    >>> bar(0), bar(1), bar(500_000), bar(2_000_000)
    ('░░░░░░░░░░', '█░░░░░░░░░', '█████░░░░░', '██████████')
    """
    cells = min(BAR_CELLS, -(-max(used_ppm, 0) * BAR_CELLS // PPM))
    return "█" * cells + "░" * (BAR_CELLS - cells)


def grouped(figure: object) -> str:
    """Write a figure with its thousands apart.

    >>> grouped("-1234567.50"), grouped(12), grouped(None)
    ('-1 234 567.50', '12', '')
    """
    text = "" if figure is None else clean(figure)
    sign, body = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, part = body.partition(".")
    return f"{sign}{int(whole):,}".replace(",", " ") + point + part if whole.isascii() and whole.isdigit() else text


def time_text(ts_us: object) -> str:
    """Write the time of day of UTC microseconds, empty for what is none.

    >>> time_text(1_700_000_000_000_000)
    '22:13:20'
    """
    if not isinstance(ts_us, int) or ts_us <= 0:
        return ""
    second = ts_us // PPM % 86_400
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def date_text(ts_us: int) -> str:
    """Write the UTC date of microseconds; by hand, since datetime is loaded by nothing else here.

    >>> date_text(1_700_000_000_000_000), date_text(951_782_400_000_000)
    ('2023-11-14', '2000-02-29')
    """
    # Days counted from 0000-03-01, so that the day that leap years add is the last of its year.
    days = ts_us // (86_400 * PPM) + _EPOCH_DAYS
    era, day_of_era = divmod(days, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    return f"{year + era * 400 + (month >= 10):04d}-{month + 3 if month < 10 else month - 9:02d}-{day:02d}"


def clean(value: object) -> str:
    """Write a value so that it can neither begin a new line nor steer the terminal."""
    return "".join(each if each.isprintable() else "?" for each in str(value))


def _whole(value: object) -> int:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0
