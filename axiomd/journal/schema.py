"""The journal's tables: one of events, append-only by trigger; everything else is a view over it.

`PRAGMA user_version` is the version of this schema; a file of a later one is refused, one of an earlier one migrated.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x6178696F
VERSION: Final = 3

_TABLES: Final = """
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY,
    ts_us     INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    run_id    TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    cause     INTEGER NOT NULL,
    payload   TEXT    NOT NULL,
    prev_hash BLOB    NOT NULL,
    hash      BLOB    NOT NULL
) STRICT;
CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE VIEW orders AS
    SELECT seq, ts_us, key, run_id,
           json_extract(payload, '$.order.symbol') AS symbol,
           json_extract(payload, '$.order.side') AS side,
           json_extract(payload, '$.order.qty') AS qty,
           json_extract(payload, '$.order.parent_key') AS parent_key,
           (SELECT kind FROM events AS e WHERE e.key = events.key ORDER BY e.seq DESC LIMIT 1) AS last_kind
    FROM events WHERE kind = 'order.intent';
CREATE VIEW fills AS
    SELECT seq, ts_us, key AS reference,
           json_extract(payload, '$.fill.exec_id') AS exec_id,
           json_extract(payload, '$.fill.symbol') AS symbol,
           json_extract(payload, '$.fill.side') AS side,
           json_extract(payload, '$.fill.qty') AS qty,
           json_extract(payload, '$.fill.price') AS price
    FROM events WHERE kind = 'fill.received';
CREATE VIEW candidates AS
    SELECT seq, ts_us, json_extract(payload, '$.strategy') AS strategy, json_extract(payload, '$.symbols') AS symbols
    FROM events WHERE kind = 'candidates.selected';
"""

_POSITIONS: Final = """
CREATE VIEW positions AS
    SELECT symbol, SUM(qty) AS qty FROM (
        SELECT symbol, CASE side WHEN 'BUY' THEN qty ELSE -qty END AS qty FROM fills
        WHERE substr(reference, 1, instr(reference || '-', '-') - 1) NOT IN (
            SELECT value FROM events, json_each(payload, '$.references') WHERE kind = 'recon.adopted'
        )
        UNION ALL
        SELECT dropped.key AS symbol, -dropped.value AS qty
        FROM events, json_each(payload, '$.dropped') AS dropped WHERE kind = 'recon.adopted'
    ) GROUP BY symbol;
"""
"""Our own positions: fills of adopted orders are not ours, and what was written off is gone."""

_POSITIONS_1: Final = """
CREATE VIEW positions AS
    SELECT symbol, SUM(CASE side WHEN 'BUY' THEN qty ELSE -qty END) AS qty FROM fills GROUP BY symbol;
"""

_REPLACED: Final = """
CREATE TRIGGER events_are_never_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
"""INSERT OR REPLACE takes a row away without a delete that a trigger hears of, unless the connection asks for it."""

DDL: Final[dict[int, str]] = {
    1: _TABLES + _POSITIONS_1,
    2: _TABLES + _POSITIONS,
    3: _TABLES + _POSITIONS + _REPLACED,
}
"""What a file of each version is laid out by: a journal is verified against its own."""
MIGRATIONS: Final[dict[int, str]] = {1: "DROP VIEW positions;" + _POSITIONS, 2: _REPLACED}
"""What brings a file of that version to the next one; rows are never touched."""
