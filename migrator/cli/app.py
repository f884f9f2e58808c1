"""The verbs. Each is imported when it runs, so that `--help` is quick."""

from cyclopts import App

from migrator import __version__

app = App(
    name="migrator",
    version=__version__,
    help="""Move a whole video catalogue from S3 into the Pixop platform, once, and prove it.

    Rehearse first: `migrator demo` makes a small catalogue with every kind of trouble in it and
    migrates it on this machine. Then: `migrator run --manifest FILE --out reports/NAME`. It can be
    stopped and killed at any moment; the same command, or `migrator resume reports/NAME`, goes on.
    """,
)
app.command(
    "migrator.cli.run:run", name="run", help="Migrate a catalogue, or go on with one; then report."
)
app.command(
    "migrator.cli.resume:resume",
    name="resume",
    help="Go on with a batch, with the settings kept there.",
)
app.command("migrator.cli.status:status", name="status", help="Show how a batch is doing.")
app.command("migrator.cli.report:report", name="report", help="Write the reports of a batch again.")
app.command(
    "migrator.cli.sandbox:sandbox",
    name="sandbox",
    help="Start a local platform and a local S3 to rehearse against.",
)
app.command(
    "migrator.cli.demo:demo",
    name="demo",
    help="Make a small catalogue with every trouble, migrate it, kill it, go on, report.",
)
