"""`migrator completion`."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a script that completes verbs and flags in a shell.

    Example: migrator completion bash > ~/.local/share/bash-completion/completions/migrator

    Example: migrator completion zsh > ~/.zfunc/_migrator

    Example: migrator completion fish > ~/.config/fish/completions/migrator.fish

    Parameters
    ----------
    shell
        The shell that is to complete.
    """
    from migrator.cli.app import app

    print(app.generate_completion(prog_name="migrator", shell=shell), end="")
    return 0
