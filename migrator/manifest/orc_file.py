"""An ORC file, stripe by stripe: texts exact to the byte, other columns written out as text."""

from collections.abc import Iterator

from pyarrow import orc

from migrator.manifest.header import columns_of
from migrator.manifest.parquet_file import BATCH_ROWS, arrow_source, as_text
from migrator.manifest.places import Place
from migrator.manifest.screening import rows_of
from migrator.manifest.unusable import READ_ERRORS, unreadable
from migrator.model import Columns, InvalidRow, ManifestRow


class OrcManifest:
    """The rows of an ORC file; see `opening.ManifestReader`. It may have none.

    Raises UsageError when the file cannot be read, or lacks a column.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        try:
            names = orc.ORCFile(arrow_source(place)).schema.names
        except READ_ERRORS as error:
            raise unreadable(place, error) from error
        self.columns: Columns = columns_of(place, names)

    def batches(self, first_row: int = 1) -> Iterator[list[ManifestRow | InvalidRow]]:
        """The rows from `first_row` on, in order, at most `BATCH_ROWS` at a time.

        Raises UsageError that names the row from which on the file cannot be read.
        """
        row = 1
        try:
            file = orc.ORCFile(arrow_source(self._place))
            for stripe in range(file.nstripes):
                table = file.read_stripe(stripe)
                for begin in range(0, table.num_rows, BATCH_ROWS):
                    some = table.slice(begin, BATCH_ROWS)
                    start = min(max(first_row - row, 0), some.num_rows)
                    numbers = range(row + start, row + some.num_rows)
                    row += some.num_rows
                    if numbers:
                        arrays = [as_text(column) for column in some.slice(start).columns]
                        yield rows_of(self.columns, numbers, arrays)
        except READ_ERRORS as error:
            raise unreadable(self._place, error, row) from error
