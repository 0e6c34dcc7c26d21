"""Session tables: what is told of many sessions at once is what is told of each."""

from __future__ import annotations

from datetime import date

import numpy as np

from axiomd.feeds.calendars import session_table


def test_spans_say_what_each_session_says() -> None:
    table = session_table("XNYS", date(1999, 12, 20), date(2000, 2, 1))
    indices = np.array([0, 3, len(table) - 1])

    told = list(table.spans(indices))

    assert told == [
        (index, table.date(index).isoformat(), int(table.open_us[index]), int(table.close_us[index]))
        for index in indices.tolist()
    ]
