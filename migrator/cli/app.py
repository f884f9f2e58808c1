"""The verbs. What is heavy in them is imported when they run, so that `--help` is quick."""

import os

from cyclopts import App

from migrator import __version__
from migrator.cli.completion import completion
from migrator.cli.config import config
from migrator.cli.demo import demo
from migrator.cli.doctor import doctor
from migrator.cli.plan import plan
from migrator.cli.report import report
from migrator.cli.resume import resume
from migrator.cli.retry import retry
from migrator.cli.run import run
from migrator.cli.sandbox import sandbox
from migrator.cli.status import status
from migrator.cli.verify import verify
from migrator.settings import Layers

layers = Layers(os.environ)

app = App(
    name="migrator",
    version=__version__,
    config=layers,
    suppress_keyboard_interrupt=False,
    help="""Move a whole video catalogue from S3 into the Pixop platform, once, and prove it.

    Rehearse first: `migrator demo` makes a small catalogue with every kind of trouble in it and
    migrates it on this machine. Then: `migrator run --manifest FILE --out reports/NAME`. It can be
    stopped and killed at any moment; the same command, or `migrator resume reports/NAME`, goes on.
    """,
)
for verb in (doctor, plan, run, resume, retry, status, report, verify, sandbox, demo, completion):
    app.command(verb)
app.command(config)
