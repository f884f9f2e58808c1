"""The simulated disk: a real SQLite file, committed inline; a crash is a copy of its bytes."""

import shutil
import sqlite3
from random import Random

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.writer import GROUP_LIMIT
from migrator.errors import RunFailed


class Disk:
    """The directory of the batch, over all starts of the program."""

    def __init__(self, world, root):
        self._world = world
        self._root = root
        self._chance = Random(f"disk {world.climate.seed}")
        self._number = 0
        self._reader = None
        self.directory = root / "0"
        self.directory.mkdir()
        self.checkpoint = None
        self.full_until_s = 0.0

    def open(self):
        """The checkpoint as a start of the program finds it, or makes it."""
        if Checkpoint.exists(self.directory):
            self.checkpoint = Checkpoint.open(self.directory)
        else:
            self.checkpoint = Checkpoint.create(self.directory, {"batch": self._world.batch})
        # What is committed is on this disk: no flush is needed.
        self.checkpoint._db.execute("PRAGMA synchronous = OFF")
        self._reader = sqlite3.connect(self.directory / "checkpoint.db", isolation_level=None)
        self._reader.row_factory = sqlite3.Row
        return self.checkpoint

    def committed(self, row):
        """A row as it would be found if the program were killed now."""
        return self._reader.execute("SELECT * FROM object WHERE row = ?", (row,)).fetchone()

    def check_room(self):
        if self._world.now_s < self.full_until_s:
            raise sqlite3.OperationalError("database or disk is full")

    def close(self):
        self._reader.close()
        self.checkpoint.close()
        self.checkpoint = None

    def crash(self):
        """The bytes as they are, with a torn write behind them perhaps; what was open is gone."""
        self._number += 1
        after = self._root / str(self._number)
        after.mkdir()
        for path in sorted(self.directory.glob("checkpoint.db*")):
            if not path.name.endswith("-shm"):
                shutil.copyfile(path, after / path.name)
        log = after / "checkpoint.db-wal"
        if log.exists() and self._chance.random() < 0.3:
            with log.open("ab") as file:
                file.write(self._chance.randbytes(self._chance.randint(1, 9000)))
        self.close()
        shutil.rmtree(self.directory)
        self.directory = after

    def lose(self):
        """The directory is gone, or another one was named."""
        self.directory = self._root / f"lost{self._number}"
        self.directory.mkdir()


class SimulatedJournal:
    """What `writer.Writer` promises, on virtual time: group commit, all or none of a group."""

    def __init__(self, world, start, checkpoint, before_commit):
        self._world = world
        self._start = start
        self._checkpoint = checkpoint
        self._before_commit = before_commit
        self._chance = Random(f"journal {world.climate.seed} {start.number}")
        self._waiting = []
        self._busy = False
        self._woken_s = 0.0

    async def run(self, work):
        self._start.alive()
        future = self._world.loop.create_future()
        self._waiting.append((work, future))
        if not self._busy:
            self._begin()
        result = await future
        self._start.alive()
        return result

    async def close(self):
        self._start.alive()

    def _begin(self):
        self._busy = True
        self._world.loop.call_later(self._takes_s(), self._commit)

    def _takes_s(self):
        return self._chance.uniform(*self._world.climate.disk_s)

    def _commit(self):
        if self._start.dead or self._start.event("commit", inside=False):
            self._die(self._waiting)
            return
        group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
        results, failure = [], None
        try:
            with self._checkpoint.transaction():
                results = [work(self._checkpoint) for work, _ in group]
                self._before_commit(self._checkpoint)
                self._world.disk.check_room()
        except sqlite3.Error as error:
            failure = RunFailed(f"the checkpoint cannot be written: {error}", "make room")
        except Exception as error:  # noqa: BLE001 - handed to the callers, as the writer does
            failure = error
        if self._start.event("committed", inside=False):
            self._die(group + self._waiting)
            return
        # Whoever was committed first is told first: the real writer's calls keep their order.
        # (Timers of one moment would have no order.)
        self._woken_s = max(self._woken_s + 1e-9, self._world.now_s + self._takes_s())
        self._world.loop.call_at(self._woken_s, self._wake, group, results, failure)
        self._busy = bool(self._waiting)
        if self._busy:
            self._begin()

    def _die(self, waiting):
        """The process is gone, and nobody in it waits any more."""
        for _, future in waiting:
            future.cancel()

    def _wake(self, group, results, failure):
        for position, (_, future) in enumerate(group):
            if future.done():
                continue
            if self._start.dead:
                future.cancel()
            elif failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(results[position])
