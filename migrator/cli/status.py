"""`migrator status`."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.errors import UsageError


def status(
    directory: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False
) -> int:
    """Show how a batch is doing, from the file that a running migrator rewrites each second.

    Example: migrator status reports/catalogue

    Parameters
    ----------
    directory
        The --out directory of the batch.
    as_json
        Print the file itself.
    """
    import msgspec

    from migrator.cli.display import line
    from migrator.engine.status import Snapshot

    path = directory / "status.json"
    try:
        raw = path.read_bytes()
        snapshot = msgspec.json.decode(raw, type=Snapshot)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: not a status ({error})", "run or resume the batch") from None
    except RecursionError:
        raise UsageError(f"{path}: not a status", "run or resume the batch") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise UsageError(
            f"{path}: cannot be read ({why})", "give the --out directory of a batch"
        ) from None
    if as_json:
        # What JSON leaves as it is may steer a terminal: it is spelled in ASCII.
        print(json.dumps(json.loads(raw), indent=1))
    else:
        print(line(snapshot))
    return 0
