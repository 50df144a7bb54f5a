"""The command `completion`: what a shell needs to complete commands and flags."""

from typing import Literal

from trifold.cli.output import print_text as print
from trifold.cli.output import say_next
from trifold.errors import SettingsError

ShellName = Literal["bash", "zsh", "fish", "powershell"]


def completion(shell: ShellName | None = None, /, *, install: bool = False) -> None:
    """Print the script with which a shell completes commands and flags, or put it where the shell finds it.

    Args:
        shell: The one that this runs in by default.
        install: Write the script into the shell's folder of completions and, where it needs that, a line into its
            start-up file; prints where the script lies. It works in shells that are started afterwards.
    """
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    from trifold.cli.main import app

    try:
        chosen = shell or detect_shell()
    except ShellDetectionError:
        raise SettingsError("the shell cannot be found out: name it, as in trifold completion bash") from None
    if install:
        try:
            print(app.install_completion(shell=chosen))
        except OSError as error:
            raise SettingsError(
                f"{error.filename} cannot be written ({error.strerror}): save what trifold completion {chosen} prints "
                "where your shell reads its completions"
            ) from None
        say_next("--help")
    else:
        print(app.generate_completion(shell=chosen), end="")
        say_next("completion", "--install")
