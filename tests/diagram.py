"""The state diagram of ARCHITECTURE.md, drawn from the one transition table: `make diagram`."""

from pathlib import Path

from migrator.lifecycle import TRANSITIONS

ARCHITECTURE = Path(__file__).parents[1] / "migrator/ARCHITECTURE.md"
BEGIN, END = "<!-- transitions: begin -->\n", "\n<!-- transitions: end -->"


def draw():
    moves = (f"    {a} --> {b}: {event}" for (a, event), b in TRANSITIONS.items())
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> pending", *moves, "```"])


def drawn():
    return ARCHITECTURE.read_text().split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    ARCHITECTURE.write_text(ARCHITECTURE.read_text().replace(drawn(), draw()))
