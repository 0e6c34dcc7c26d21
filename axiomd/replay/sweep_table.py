"""The table of a sweep: what its trials found, by column, put together in an order that depends on no worker.

Workers hand over columns, not rows: ten thousand dictionaries took as long to send, unpack and turn into a table as a
tenth of the trials they came from, all of it in the one process that everybody waits for. The values of a set are not
sent at all, since whoever puts the table together has the grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

Columns = dict[str, list[Any]]
"""What trials found, by name, all as long: `set`, `symbol`, `fold`, `part`, and each figure."""

KEYS: Final = ("set", "symbol", "fold", "part")
_PARTS: Final = {"all": 0, "train": 1, "test": 2}


def columns_of(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Turn rows, of which there is at least one, into columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def table_of(found: Sequence[Columns], sets: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Put together what was found, with the values of each row's set, sorted by set, symbol, fold and part.

    `sets` are all of the sweep, in their order. Its columns stand as in a table of dictionaries of a key, a set's
    values and its figures each; a figure that a set has a value for is the figure, in the value's place.
    """
    import polars as pl  # for who puts together: whoever only finds does without

    columns = {name: list(chain.from_iterable(part[name] for part in found)) for name in found[0]}
    part = pl.col("part").replace_strict(_PARTS, return_dtype=pl.Int64)
    rows = pl.DataFrame(columns).sort("set", "symbol", "fold", part)
    plain = [{key: plain_value(value) for key, value in values.items()} for values in sets]
    keys = dict.fromkeys(key for values in plain for key in values)
    varied = [key for key in keys if key not in columns]
    if varied:
        # values of one key may be of several types, or missing: what type a column has is for all of them to say
        given = pl.DataFrame(
            [{"set": number, **values} for number, values in enumerate(plain)], infer_schema_length=None
        )
        rows = rows.hstack(given.select(varied)[rows["set"]])
    return rows.select(list(dict.fromkeys((*KEYS, *plain[0], *columns, *keys))))


def plain_value(value: Any) -> Any:
    """Give a value of a set as a column holds it."""
    return value if isinstance(value, (int, float, str, bool)) or value is None else str(value)
