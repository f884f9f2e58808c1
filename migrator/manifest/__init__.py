"""Rows in: reads a manifest, CSV or Parquet, as a stream of usable and invalid rows.

Opening order: `opening` looks at the file and chooses a reader; `csv_file` or `parquet_file` turns
it into Arrow columns, batch by batch; `screening` turns columns into rows, and asks `rows` about
the few that may break a rule. `naming` derives what a manifest leaves out.

Invariants: keys come through exact to the byte, since nothing is inferred, trimmed or normalised;
memory is bounded by a block, whatever the size of the file; a bad row is an `InvalidRow` and a bad
file is a `UsageError`, never another exception.
"""

from migrator.manifest.naming import file_name, video_name
from migrator.manifest.opening import ManifestFormat, ManifestReader, fingerprint, open_manifest

__all__ = [
    "ManifestFormat",
    "ManifestReader",
    "file_name",
    "fingerprint",
    "open_manifest",
    "video_name",
]
