"""One peer in a process of its own: loads the bars, warms up, then does the work once for every line it is sent.

It runs under the peers' interpreter beside its modules and imports nothing of the product. Each module has `VERSION`,
`DIFFERS` and `prepare(bars, options) -> work`, where `work()` gives the number of trades.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def load(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays that the bench wrote beside the Parquet file, by name."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def main() -> None:
    """Serve until stdin ends. What a peer prints goes to stderr, since stdout speaks JSON."""
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    name, bars, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    module = importlib.import_module(f"run_{name}")
    work = module.prepare(load(bars), options)
    trades = int(work())
    print(
        json.dumps({"version": module.VERSION, "trades": trades, "differs": module.DIFFERS}), file=answers, flush=True
    )
    for _ in sys.stdin:
        gc.collect()
        begin = time.perf_counter()
        work()
        print(json.dumps({"seconds": time.perf_counter() - begin}), file=answers, flush=True)


if __name__ == "__main__":
    main()
