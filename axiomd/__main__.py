"""Run the command line as ``python -m axiomd``."""

import sys

from axiomd.cli.main import main

sys.exit(main())
