"""A place to work in: a directory, the sandbox it works against, the children it started."""

import csv
import io
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.actual.batch import Batch
from tests.actual.program import DEADLINE_S, Child, clean_environment
from tests.actual.sandbox import Sandbox

ROOT = Path(__file__).parents[2]

FUSED = "tests.battery.child"
"""The program with a fuse around its seams."""

_bucket_numbers = itertools.count(1)


@dataclass
class World:
    """One test's directory, the sandbox it works against, and the children it started."""

    sandbox: Sandbox
    directory: Path
    env: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    def environment(self, changes):
        """The sandbox's environment with `changes`; None takes a variable away."""
        merged = clean_environment(self.directory) | self.sandbox.env | self.env | changes
        return {name: value for name, value in merged.items() if value is not None}

    def start(self, *arguments, env=None, **how):
        """Begin a verb; `how` is what Child takes besides."""
        child = Child(arguments, self.environment(env or {}), self.directory, **how)
        self.children.append(child)
        return child

    def start_with(self, fuse, *arguments, env=None, **how):
        """Run a verb with a fuse of the battery's in it: `POINT:N` or `POINT:N:SIGNAL`."""
        env = {**(env or {}), "PYTHONPATH": str(ROOT)}
        return self.start("--crash-at", fuse, "--", *arguments, env=env, module=FUSED, **how)

    def call(self, *arguments, env=None, within_s=DEADLINE_S, **how):
        """Run a verb to its end."""
        return self.start(*arguments, env=env, **how).wait(within_s)

    def migrate(self, *arguments, out="out", code=0, env=None, within_s=DEADLINE_S, **how):
        """`migrator run … --out OUT` to its end, which must be `code`; the batch it made."""
        result = self.call("run", *arguments, "--out", self.directory / out, env=env,
                           within_s=within_s, **how)  # fmt: skip
        assert result.code == code, result.said[-4000:]
        return self.batch(out)

    def batch(self, out="out"):
        return Batch(self.directory / out)

    def bucket(self, name="bucket"):
        """The name of a bucket that no other test has."""
        return f"{name}-{next(_bucket_numbers)}-{os.getpid()}"

    def objects(self, count, bucket=None, content=b"a small video"):
        """Put `count` objects into a bucket of their own; (bucket, key) of each."""
        bucket = bucket or self.bucket()
        rows = [(bucket, f"clip-{number:05}.mp4") for number in range(count)]
        for name, key in rows:
            self.sandbox.put(name, key, content + key.encode())
        return rows

    def manifest(self, rows, header=("bucket", "key"), name="catalogue.csv"):
        """A CSV manifest of these rows; bytes among them are lines that are written as they are."""
        path = self.directory / name
        with path.open("wb") as file:
            for row in [header, *rows]:
                file.write(row if isinstance(row, bytes) else _csv_line(row))
        return path


def _csv_line(cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that CR in a cell is quoted
    return text.getvalue().encode()
