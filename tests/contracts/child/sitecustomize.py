"""Python imports this first in every child of the tests; a sandbox has the judge installed."""

import os
import sys
from pathlib import Path

SANDBOXES = (["-m", "migrator", "sandbox"], ["-m", "migrator.sandbox"])

given = sys.orig_argv[1:]
if "JUDGED_BY" in os.environ and any(given[: len(one)] == one for one in SANDBOXES):
    sys.path.append(str(Path(__file__).parents[2]))
    from contracts import judging

    judging.install(os.environ[judging.DOCUMENT], os.environ[judging.VERDICTS])
