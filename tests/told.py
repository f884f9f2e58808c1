"""How the program tells that something is wrong: the one form of a message."""


def assert_told(result, code, *words):
    """The exit code, one message that holds all words, one next step, nothing of the inside."""
    assert result.code == code, result.said
    told = [line for line in result.err.splitlines() if line.startswith("migrator: ")]
    hints = [line for line in result.err.splitlines() if line.startswith("  next: ")]
    assert len(told) == 1, result.err
    assert len(hints) == 1, result.err
    for word in words:
        assert str(word).lower() in told[0].lower(), f"{word!r} is not in: {told[0]}"
    for inside in ("Traceback", "internal error", 'File "'):
        assert inside not in result.said
