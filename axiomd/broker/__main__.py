"""Run the simulated broker as a process: ``python -m axiomd.broker --state DIR --runtime DIR``.

It matches a few numbers at a time, which Python does soonest, and comes up without a compiler.
"""

import sys

from axiomd.core.compiled import run_as_python

run_as_python()

from axiomd.broker.sim_process import main  # noqa: E402 - the rules it loads are left as they are

sys.exit(main())
