"""The verbs. Each is imported when it is asked for, so that no verb waits for what another needs.

The page that lists them would import all of them for one line of each: `overview` has those lines
itself, and a test compares them with what the verbs say.
"""

from cyclopts import App, ArgumentCollection

from migrator import __version__

VERBS = {
    "doctor": "Look whether a migration could begin here; writes nothing, neither here nor there.",
    "plan": "Say what a migration would do and cost, without changing anything on the platform.",
    "run": "Migrate a catalogue: read the rows, check the source, submit, follow, report.",
    "resume": "Go on with a batch, with the settings kept there. Secrets come from the environment "
    "again.",
    "retry": "Try rows again that were rejected, missing or failed, and go on with the batch.",
    "status": "Show how a batch is doing, from the file that a running migrator rewrites each "
    "second.",
    "report": "Write the reports again; the same checkpoint gives the same bytes.",
    "verify": "Compare the report with the platform and the source as they are now; changes "
    "neither.",
    "list": "Write a manifest of all objects under one or more prefixes.",
    "config": "Show what a run would be set to, and who says so.",
    "sandbox": "Start a local platform and a local S3, to rehearse a migration against. Ctrl-C "
    "ends it.",
    "demo": "Rehearse a migration on this machine: nothing real is read, called or changed.",
    "completion": "Print a script that completes verbs and flags in a shell.",
}
"""Each verb, a function or an app of its name in a module of its name, and the first line of its
help."""


def _layered(verb: App, names: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Add what the environment and migrator.toml say, where a verb has settings."""
    if any(argument.keys for argument in arguments):
        from migrator.cli.layering import layers

        layers(verb, names, arguments)


def _app() -> App:
    return App(
        name="migrator",
        version=__version__,
        config=_layered,
        suppress_keyboard_interrupt=False,
        help="""Move a whole video catalogue from S3 into the Pixop platform, once, and prove it.

        Rehearse first: `migrator demo` makes a small catalogue with every kind of trouble in it and
        migrates it on this machine. Then: `migrator run --manifest FILE --out reports/NAME`. It can
        be stopped and killed at any moment; the same command, or `migrator resume reports/NAME`,
        goes on.
        """,
    )


app = _app()
for verb in VERBS:
    app.command(f"migrator.cli.{verb}:{verb}", name=verb)


def overview() -> App:
    """The program for a command line that names no verb: its help is the list of verbs."""
    listed = _app()
    for name, first_line in VERBS.items():
        listed.command(f"migrator.cli.{name}:{name}", name=name, help=first_line)
    return listed
