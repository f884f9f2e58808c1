"""What became of every row: the tables, the page and the summary, written from the checkpoint.

The only room that imports pandas; import it where a report is written, not where a program starts.
"""

import migrator.arrow  # noqa: F401 - before Arrow itself
from migrator.report.summary import Summary
from migrator.report.write import write_reports

__all__ = ["Summary", "write_reports"]
