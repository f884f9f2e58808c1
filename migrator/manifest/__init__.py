"""Rows in: reads a manifest in any of its formats as a stream of usable and invalid rows.

Opening order: `finding` goes from a name to the `places` where bytes are; `opening` looks at them
and chooses a reader; `csv_file`, `jsonl_file` or `parquet_file` (of many files, `series`) turns
them into Arrow columns, batch by batch; `screening` turns columns into rows, and asks `rows` about
the few that may break a rule. `naming` derives what a manifest leaves out.

Invariants: keys come through exact to the byte, since nothing is inferred, trimmed or normalised;
memory is bounded by a block, whatever the size of the file; a bad row is an `InvalidRow` and a bad
file is a `UsageError`, never another exception.
"""

import migrator.arrow  # noqa: F401 - before Arrow itself
from migrator.manifest.inventory import InventoryManifest
from migrator.manifest.naming import (
    MAX_FILE_NAME_CHARACTERS,
    file_name,
    legal_file_name,
    video_name,
)
from migrator.manifest.opening import ManifestFormat, ManifestReader, open_manifest, open_named
from migrator.manifest.places import Objects, RemoteFacts, fingerprint

__all__ = [
    "MAX_FILE_NAME_CHARACTERS",
    "InventoryManifest",
    "ManifestFormat",
    "ManifestReader",
    "Objects",
    "RemoteFacts",
    "file_name",
    "fingerprint",
    "legal_file_name",
    "open_manifest",
    "open_named",
    "video_name",
]
