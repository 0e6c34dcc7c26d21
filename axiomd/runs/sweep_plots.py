"""Pictures of a sweep: the distribution of a figure over all trials, and a heat map where two keys were varied.

It shows what results.parquet holds and computes nothing but means. matplotlib loads only here and in `plots`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

_LABELLED_MAX: Final = 150
"""Cells that still have room for their figure."""
_DARK_FROM: Final = 0.7
"""From this part of the widest figure on, a cell is too dark for black."""


def draw_sweep(frame: pl.DataFrame, keys: Sequence[str], folder: Path, figure: str = "net_pnl") -> list[Path]:
    """Write distribution.png, and heatmap.png where at least two keys have several values; give the paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = frame.filter(pl.col("part") != "test")
    written = [folder / "distribution.png"]
    canvas, axes = plt.subplots(figsize=(9, 4.5), dpi=110)
    values = [value for value in shown[figure].to_list() if value is not None]
    axes.hist(values, bins=min(60, max(5, len(values) // 4)), color="#35618f")
    axes.axvline(0, color="#888888", linewidth=1)
    axes.set_title(f"{figure} over {len(values)} trials")
    axes.set_xlabel(figure)
    axes.set_ylabel("trials")
    canvas.tight_layout()
    canvas.savefig(written[0], metadata={"Software": None})
    plt.close(canvas)
    varied = [key for key in keys if shown[key].n_unique() > 1]
    if len(varied) >= 2:
        written.append(folder / "heatmap.png")
        _heat_map(plt, shown, varied[0], varied[1], figure, written[1])
    return written


def _heat_map(plt: Any, shown: pl.DataFrame, down: str, across: str, figure: str, path: Path) -> None:
    means = shown.group_by([down, across], maintain_order=True).agg(pl.col(figure).mean())
    rows, columns = (means[key].unique(maintain_order=True).to_list() for key in (down, across))
    cells = [[float("nan")] * len(columns) for _ in rows]
    for one, other, value in means.iter_rows():
        cells[rows.index(one)][columns.index(other)] = float("nan") if value is None else value
    canvas, axes = plt.subplots(figsize=(9, 6), dpi=110)
    widest = max((abs(value) for row in cells for value in row if not math.isnan(value)), default=0.0) or 1.0
    # green is above nothing and red below it, whatever the values are
    picture = axes.imshow(cells, aspect="auto", cmap="RdYlGn", vmin=-widest, vmax=widest)
    if len(rows) * len(columns) <= _LABELLED_MAX:
        for down_place, row in enumerate(cells):
            for across_place, value in enumerate(row):
                ink = "white" if abs(value) > _DARK_FROM * widest else "black"
                axes.text(across_place, down_place, f"{value:,.2f}", ha="center", va="center", fontsize=9, color=ink)
    axes.set_xticks(range(len(columns)), [str(value) for value in columns], rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), [str(value) for value in rows])
    axes.set_xlabel(across)
    axes.set_ylabel(down)
    axes.set_title(f"mean {figure} of all trials with these two values")
    canvas.colorbar(picture, label=figure)
    canvas.tight_layout()
    canvas.savefig(path, metadata={"Software": None})
    plt.close(canvas)
