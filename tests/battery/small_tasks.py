"""`python -m tests.battery.small_tasks VERB …`: the program, with a hundred rows in a task."""

import sys

from migrator.cli import main
from migrator.engine import scouting

scouting.ROWS = 100

if __name__ == "__main__":
    sys.exit(main())
