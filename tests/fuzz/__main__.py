"""`make fuzz SECONDS=600`: every target for its share of the time, one process each.

atheris guides by coverage. What a target finds is printed with the bytes that do it, and kept in
`.fuzz/`, where the next run begins with what the earlier ones have learned.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

CORPUS = Path(".fuzz")


def fuzz(name, seconds):
    """One target in this process; it ends the process."""
    import atheris  # noqa: PLC0415 - where there is one

    with atheris.instrument_imports(include=["migrator"]):
        from fuzz import targets  # noqa: PLC0415 - instrumented
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    flags = ["-max_len=4096", "-timeout=30", "-rss_limit_mb=2048",
             f"-artifact_prefix={CORPUS}/{name}-"]  # fmt: skip
    if name in targets.WORDS:
        words = CORPUS / f"{name}.dict"
        spelled = (b'"%s"\n' % _escaped(word.encode()) for word in targets.WORDS[name])
        words.write_bytes(b"".join(spelled))
        flags.append(f"-dict={words}")
    target, until_s, runs = targets.TARGETS[name], time.monotonic() + seconds, 0

    def once(data):
        nonlocal runs
        if time.monotonic() > until_s:
            print(f"runs: {runs}", flush=True)
            os._exit(0)  # libFuzzer's own end takes Arrow apart while its threads wait for Python
        runs += 1
        target(data)

    atheris.Setup([sys.argv[0], *flags, str(corpus)], once)
    atheris.Fuzz()


def _escaped(word):
    return b"".join(b"\\x%02x" % byte for byte in word)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--target", default=None)
    given = parser.parse_args()
    if given.target is not None:
        fuzz(given.target, given.seconds)
        return 0
    from fuzz.targets import TARGETS  # noqa: PLC0415 - not instrumented

    found = 0
    share = max(1, given.seconds // len(TARGETS))
    print(f"{'target':16} {'runs':>10} {'seconds':>8} {'branches':>9}  found")
    for name in TARGETS:
        began_s = time.monotonic()
        run = subprocess.run(
            [sys.executable, "-m", "fuzz", "--target", name, "--seconds", str(share)],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        runs = re.search(r"runs: (\d+)", run.stdout)
        branches = re.findall(r"cov: (\d+)", run.stderr)
        seconds = time.monotonic() - began_s
        told = "nothing" if run.returncode == 0 else f"exit {run.returncode}"
        print(f"{name:16} {runs[1] if runs else '-':>10} {seconds:8.0f} "
              f"{branches[-1] if branches else '-':>9}  {told}", flush=True)  # fmt: skip
        if run.returncode:
            found += 1
            print(run.stdout[-4000:], run.stderr[-2000:])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
