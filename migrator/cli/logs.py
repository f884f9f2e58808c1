"""Logs to stderr: what happened, in one line each; only this program's own.

The libraries' debug logs stay off at every level: they would show requests with their secrets.
"""

import logging
import sys

from migrator.text import plain


class _OneLine(logging.Formatter):
    """A record in one line that holds nothing but what can be seen: others' words may be in it."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def configure_logs(verbose: int) -> None:
    """`verbose` 0 shows warnings, 1 what happens to the run, 2 every call and every row."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("migrator")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level)
