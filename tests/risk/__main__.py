"""The program: `python -m tests.risk`."""

from __future__ import annotations

import sys

from tests.risk.run import main

if __name__ == "__main__":
    sys.exit(main())
