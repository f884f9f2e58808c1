"""Where batches are tormented: a sandbox of its own, one catalogue, and a slow way between them."""

import json
import shutil
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.actual.canaries import NAMES, contents, places_that_tell
from tests.actual.relay import Relay
from tests.actual.sandbox import Sandbox
from tests.actual.world import World

GOOD = 30
"""Objects of the catalogue that can be imported; four more rows cannot."""

ROWS = GOOD + 4

ONE_WAY_S = 0.05
"""A create is twice this long in the air, so that a kill nearly always finds some there: on
loopback alone it would hardly ever."""

FLAGS = ("--requests-per-minute", "1200", "--settle-seconds", "0.6", "-vv")

RUNS_AT_MOST = 6
"""A batch that is not finished after so many undisturbed runs never will be."""

HANGS_S = 400.0
"""Beyond the longest that a run may wait: for a quota, five minutes."""

FINISHED = (0, 3)


class Nothing:
    """A run that nothing happens to."""

    def disturb(self, arena, command):
        result = arena.start(command).wait(HANGS_S)
        return "" if result.code in FINISHED else result.err[-1000:], result.code


EXPECTED = Counter(
    {
        ("imported", "copied"): GOOD,
        ("missing", "object_not_found"): 1,
        ("missing", "bucket_not_found"): 1,
        ("rejected", "empty_object"): 1,
        ("skipped", "duplicate_row"): 1,
    }
)


@dataclass
class Ended:
    """How a batch ended at last, held against the platform's own log of creates.

    `lost` are rows without an outcome, and rows said to be imported that the platform knows
    nothing of; `seconds` is for all runs together.
    """

    line: str
    name: str
    runs: int = 0
    creates: int = 0
    duplicates: int = 0
    lost: int = 0
    unresolved: int = 0
    seconds: float = 0.0
    story: list = field(default_factory=list)
    wrong: list = field(default_factory=list)


class Arena:
    """One sandbox and its catalogue; one batch at a time is migrated in it."""

    def __init__(self, world, relay):
        self.world = world
        self.sandbox = world.sandbox
        self._slow_way = {"PIXOP_API_URL": relay.url}
        self._way = {}
        bucket, absent = world.bucket(), world.bucket("absent")
        self.rows = world.objects(GOOD, bucket)
        self.sandbox.put(bucket, "empty.mp4", b"")
        self.rows.insert(7, (bucket, "gone.mp4"))
        self.rows.insert(14, (absent, "any.mp4"))
        self.rows.insert(21, (bucket, "empty.mp4"))
        self.rows.insert(28, self.rows[3])

    def put_faults(self, plan):
        """Put a plan in force; {} lifts all faults. Answers nothing."""
        self._inspect("PUT", plan)

    def struck(self):
        """How many requests the plan in force has struck."""
        return sum(count["struck"] for count in self._inspect("GET")["counts"])

    def _inspect(self, method, plan=None):
        url = self.sandbox.env["PIXOP_API_URL"].removesuffix("/api") + "/_sandbox/faults"
        data = None if plan is None else json.dumps(plan).encode()
        request = urllib.request.Request(
            url, data, {"Content-Type": "application/json"}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def start(self, command, crash_at=None):
        """A run of the batch: the program itself, or with a crash built around it."""
        if crash_at is None:
            return self.world.start(*command, env=self._way)
        return self.world.start_with(crash_at, *command, env=self._way)

    def migrate(self, case):
        """Begin a batch, let it be disturbed, run it until it is finished, and judge it."""
        ended = Ended(case.line, case.name)
        self._way = self._slow_way if case.slowly else {}
        # The user's own text marks the batch at the platform, also where its tag were wrong.
        header, rows = (
            ("bucket", "key", "description"),
            [(*row, f"{case.name}.") for row in self.rows],
        )
        manifest = self.world.manifest(rows, header, f"{case.name}.csv")
        out = self.world.directory / case.name
        command = ["run", "--manifest", manifest, "--out", out, "--namespace", case.name,
                   *FLAGS, *case.flags]  # fmt: skip
        began_s, since_s = time.monotonic(), time.time() - 1
        try:
            for disturbance in (*case.disturbances, *[Nothing()] * RUNS_AT_MOST):
                what, code = disturbance.disturb(self, command)
                ended.runs += 1
                ended.story.append(what if code is None else f"{what}, exit {code}".lstrip(", "))
                if code in FINISHED:
                    break
            else:
                ended.wrong.append("not finished")
        except AssertionError as error:
            ended.wrong.append(str(error))
        ended.seconds = time.monotonic() - began_s
        self._judge(case, ended)
        told = contents(self.world.directory, since_s)
        secrets = [self.sandbox.env[name] for name in NAMES]
        ended.wrong += [f"a secret is in {place}" for place in places_that_tell(told, secrets)]
        if not ended.wrong:
            shutil.rmtree(out)
        return ended

    def _judge(self, case, ended):
        mark = f"{case.name}. "
        made = [one for one in self.sandbox.creates() if one["description"].startswith(mark)]
        counted = Counter(one["objectKey"] for one in made)
        ended.creates = len(made)
        ended.duplicates = sum(number - 1 for number in counted.values())
        batch = self.world.batch(case.name)
        try:
            lines = batch.lines
            batch.assert_balanced()
        except (OSError, AssertionError) as error:
            ended.wrong.append(f"no report that balances: {error!r}")
            ended.lost = ROWS
            return
        videos = {one["videoId"] for one in made}
        ended.lost = (
            ROWS
            - len({line["Row"] for line in lines})
            + sum(line["Outcome"] == "imported" and line["VideoId"] not in videos for line in lines)
        )
        ended.unresolved = sum(line["Reason"] == "unresolved" for line in lines)
        verdicts = Counter((line["Outcome"], line["Reason"]) for line in lines)
        for verdict in case.may_end_as:  # the fault itself says so
            verdicts["imported", "copied"] += verdicts.pop(verdict, 0)
        if verdicts != EXPECTED:
            ended.wrong.append(f"other verdicts: {verdicts - EXPECTED}, not {EXPECTED - verdicts}")
        told = {line["VideoId"] for line in lines if line["VideoId"]}
        if told != videos:
            ended.wrong.append(
                f"videos not told {videos - told}, told but not there {told - videos}"
            )
        if ended.duplicates or ended.lost or ended.unresolved:
            ended.wrong.append(f"made {[key for key, n in counted.items() if n > 1]} twice")


@contextmanager
def arena():
    """An arena in a directory that is removed afterwards, with all children ended."""
    with tempfile.TemporaryDirectory(prefix="migrator-battery-") as directory:
        home = Path(directory)
        sandbox = Sandbox(home / "sandbox", ("--requests-per-minute", "60000"))
        relay, world = None, World(sandbox, home / "world")
        world.directory.mkdir()
        try:
            sandbox.start()
            relay = Relay(sandbox.env["PIXOP_API_URL"], ONE_WAY_S)
            yield Arena(world, relay)
        finally:
            for child in world.children:
                child.kill()
            if relay is not None:
                relay.close()
            sandbox.stop()


@dataclass(frozen=True)
class Case:
    """One batch to come: the line of the table it counts in, and what happens to its first runs.

    `slowly` takes the way on which creates are long in the air. `may_end_as` are verdicts that the
    fault itself gives to rows which else would be imported.
    """

    line: str
    name: str
    disturbances: tuple = ()
    slowly: bool = False
    flags: tuple = ()
    may_end_as: tuple = ()
