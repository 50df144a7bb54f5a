"""One tree of errors. Every message says what was given, what is allowed, and the next step."""

from collections.abc import Iterable


class TrifoldError(Exception):
    """A mistake the user can correct: the command line prints it as one sentence and exits with 2."""

    exit_code = 2


class DataError(TrifoldError):
    """The data file cannot be read or does not hold a task that can be learned."""


class SettingsError(TrifoldError):
    """A flag, a TOML file or an argument has a value that is not allowed."""


def require(allowed: bool, given: str, way_out: str) -> None:
    """Refuse a setting unless it is allowed.

    Args:
        allowed: Whether it is.
        given: The flag with its value.
        way_out: What to give instead.

    Raises:
        SettingsError: If it is not.
    """
    if not allowed:
        raise SettingsError(f"{given} is not allowed: {way_out}")


def first_line(error: BaseException) -> str:
    """What an exception of a library says, as part of a sentence: its first line, or else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class BackboneError(TrifoldError):
    """A pretrained model or its tokenizer cannot be found, loaded or trusted."""


class ArtifactError(TrifoldError):
    """A run folder is missing, damaged, or does not reproduce what was trained."""


class TrainingError(TrifoldError):
    """Training cannot go on: the loss is not finite, or nothing is left to train on."""


class ExportError(TrifoldError):
    """An exported model is not as good as the one it was made from."""


class PromptError(TrifoldError):
    """A prompt file, or what is to be filled into it, cannot be used."""


class LlmError(TrifoldError):
    """A language model cannot be opened, cannot be reached, or gives no answer that can be used."""


class BudgetError(LlmError):
    """What may be spent on a language model is spent. What was answered until then is in the log."""


# Least likeness, from 0 to 1, of a name that is offered for another; below, short words are alike by chance.
_LIKENESS = 0.66


def nearest_name(given: str, known: Iterable[str]) -> str | None:
    """The known name that is most like what was given; `None` where none is close."""
    # Rarely needed, and --help starts without it.
    from difflib import get_close_matches

    # The dashes of two flags are no likeness.
    names = {name.lower().lstrip("-"): name for name in known}
    close = get_close_matches(given.lower().lstrip("-"), names, n=1, cutoff=_LIKENESS)
    return names[close[0]] if close else None


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """` (did you mean 'NAME'?)` for the known name that is most like what was given; nothing where none is close."""
    name = nearest_name(given, known)
    return f" (did you mean {name if name.startswith('-') else repr(name)}?)" if name else ""
