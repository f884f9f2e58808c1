"""The one table of the battery."""

HEADINGS = ("fault", "runs", "objects", "creates", "duplicates", "lost", "unresolved", "seconds")


def render(all_ended, objects):
    """One line for each fault with the sums over its batches, and one for all."""
    lines = {}
    for ended in all_ended:
        lines.setdefault(ended.line, []).append(ended)
    rows = [HEADINGS]
    rows += [_sums(line, group, objects) for line, group in lines.items()]
    rows.append(_sums("all", all_ended, objects))
    return aligned(rows)


def aligned(rows):
    """A table of these rows, the first of which is the headings and the last the sums."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    rule = "-" * max(map(len, text))
    return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])


def _sums(line, group, objects):
    return (
        line,
        *(
            f"{value:,}"
            for value in (
                sum(ended.runs for ended in group),
                len(group) * objects,
                sum(ended.creates for ended in group),
                sum(ended.duplicates for ended in group),
                sum(ended.lost for ended in group),
                sum(ended.unresolved for ended in group),
            )
        ),
        f"{sum(ended.seconds for ended in group):,.0f}",
    )


def _padded(row, widths):
    yield row[0].ljust(widths[0])
    for cell, width in zip(row[1:], widths[1:], strict=True):
        yield cell.rjust(width)
