"""A batch as it lies on the disk."""

import csv
import io
import json


class Batch:
    """What a run left in its --out directory."""

    FILES = ("report.html", "summary.json", "objects.parquet", "objects.csv", "retry.csv")

    def __init__(self, directory):
        self.directory = directory

    @property
    def summary(self):
        return json.loads((self.directory / "summary.json").read_text())

    @property
    def status(self):
        """`status.json` as it is now, or {} while it is not there."""
        try:
            return json.loads((self.directory / "status.json").read_text())
        except FileNotFoundError:
            return {}

    @property
    def id(self):
        return self.summary["batch"]

    @property
    def lines(self):
        text = (self.directory / "objects.csv").read_bytes().decode()
        return list(csv.DictReader(io.StringIO(text, newline="")))

    @property
    def verdicts(self):
        """Row number -> (outcome, reason)."""
        return {int(line["Row"]): (line["Outcome"], line["Reason"]) for line in self.lines}

    def files(self):
        return {name: (self.directory / name).read_bytes() for name in self.FILES}

    def assert_balanced(self):
        """Every row is in exactly one outcome, in every place that says so."""
        summary, lines = self.summary, self.lines
        rows = summary["manifest"]["rows"]
        counted = dict.fromkeys(summary["outcomes"], 0)
        for line in lines:
            counted[line["Outcome"]] += 1
        assert summary["outcomes"] == counted
        assert sum(counted.values()) == len(lines) == rows
        assert sum(summary["reasons"].values()) == rows
        assert [int(line["Row"]) for line in lines] == list(range(1, rows + 1))
        api = summary["api"]
        assert sum(api["by_operation"].values()) == api["calls"]
        assert summary["complete"] == (counted["unfinished"] == 0)
