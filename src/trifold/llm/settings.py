"""Settings of prompting: which language model, what it may cost, how a task is put to it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trifold.errors import PromptError, SettingsError, require
from trifold.llm.prompt_file import read_text

# How --llm begins for a server that writes, for the two kinds of decision servers, and for weights on this machine: of
# models that write or fill gaps, and of rerankers.
SERVER_PREFIX = "openai:"
SYSTEM_ONE_PREFIX, DECISIONS_PREFIX = "systemone:", "decisions:"
SERVER_PREFIXES = (SERVER_PREFIX, SYSTEM_ONE_PREFIX, DECISIONS_PREFIX)
LOCAL_PREFIX = "hf:"
ScoreBy = Literal["words", "letters", "auto"]
Calibration = Literal["auto", "none", "length", "pmi", "contextual", "batch", "affine"]
RERANKER_PREFIX = "rerank:"
# The most bytes of a variable's value; no model reads more.
_VALUE_BYTES = 64 << 20
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def local_name(llm: str | None) -> str | None:
    """The model on this machine that `--llm` names: a short name, or what follows its prefix; `None` for no such."""
    # Imported here, since the command line reads settings for its help.
    from trifold.models.named_models import NAMED_MODELS

    given = llm or ""
    if given in NAMED_MODELS:
        return given
    prefix = next((one for one in (LOCAL_PREFIX, RERANKER_PREFIX) if given.startswith(one)), None)
    return None if prefix is None else given.removeprefix(prefix) or None


def without_server(llm: str | None) -> str | None:
    """A language model as a run folder may name it: a server's address is left out, its model is kept."""
    if not llm or not llm.startswith(SERVER_PREFIXES):
        return llm
    return f"{llm.partition(':')[0]}:…#{llm.rpartition('#')[2]}"


@dataclass(frozen=True)
class Price:
    """What a server charges, in the currency that `--price` was given in.

    Attributes:
        prompt: Price of a million prompt tokens.
        answer: Price of a million answer tokens.
    """

    prompt: float
    answer: float

    def of(self, prompt_tokens: float, answer_tokens: float) -> float:
        """The cost of these tokens."""
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6


@dataclass(frozen=True, kw_only=True)
class LlmSettings:
    """Which language model is asked, and what it may cost.

    Attributes:
        llm: gemma-270m (under the Gemma terms, ai.google.dev/gemma/terms), or hf: before a folder, a GGUF file or a hub
            id, for weights on this machine; rerank:NAME-OR-FOLDER for those of a reranker or another cross-encoder;
            openai:BASE_URL#MODEL for an OpenAI-compatible server; systemone:BASE_URL#MODEL or decisions:BASE_URL#MODEL
            for a decision server. No run folder and no --config file names a server.
        api_key_env: Environment variable that holds the server's key; the key itself is never stored or shown.
        max_tokens: Most tokens of an answer; by default 256, or as many as a model on this machine has room for.
        temperature: 0 always takes the most likely word; higher values make answers vary.
        stop: An answer ends before this text, as before those that the prompt file names; may be given several times.
        concurrency: The most calls to a server at the same time; how many there are is found out, up to 16 by default.
        timeout_seconds: Seconds that a server may take for a whole answer, streamed or not.
        retries: How often a call that failed is made again, each time after a longer wait.
        max_calls: Stop before another call is made; answers from the log are not counted.
        max_seconds: Stop asking after so many seconds.
        price: PROMPT,ANSWER: what the server charges for a million tokens of each.
        log: SQLite file for every prompt and answer, which is also the cache of answers; prompts.sqlite in the cache
            folder by default.
    """

    llm: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    max_tokens: int | None = None
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    concurrency: int | None = None
    timeout_seconds: float = 60.0
    retries: int = 4
    max_calls: int | None = None
    max_seconds: float | None = None
    price: str | None = None
    log: Path | None = None

    def __post_init__(self) -> None:
        # The message does not show the value: a user may have given the key itself.
        require(
            bool(_VARIABLE.fullmatch(self.api_key_env)) and not self.api_key_env.lower().startswith("sk_"),
            "what --api-key-env names",
            "give the name of an environment variable, such as OPENAI_API_KEY, never the key itself",
        )
        for name, low in (("max_tokens", 1), ("concurrency", 1), ("retries", 0), ("max_calls", 0)):
            value = getattr(self, name)
            require(value is None or value >= low, f"--{name.replace('_', '-')} {value}", f"give {low} or more")
        for name in ("timeout_seconds", "max_seconds"):
            value = getattr(self, name)
            require(value is None or value > 0, f"--{name.replace('_', '-')} {value}", "give a positive number")
        require(all(self.stop), '--stop ""', "give some text")
        require(0 <= self.temperature <= 2, f"--temperature {self.temperature}", "give 0 to 2")
        _ = self.prices

    @property
    def prices(self) -> Price | None:
        """The prices from `--price`; `None` without it.

        Raises:
            SettingsError: If it is no pair of numbers.
        """
        if self.price is None:
            return None
        try:
            prompt, answer = (float(part) for part in self.price.split(","))
        except ValueError:
            prompt = answer = -1.0
        if not (0 <= prompt < 1e9 and 0 <= answer < 1e9):
            raise SettingsError(
                f"--price {self.price!r} is not allowed: give what a million prompt tokens and a million answer tokens "
                "cost, such as 0.15,0.60"
            )
        return Price(prompt, answer)


@dataclass(frozen=True, kw_only=True)
class PromptingSettings:
    """How a labelling task is put to a language model.

    Attributes:
        prompt: Prompt file; a plain one is made from the labels by default. What a label is called in it comes from
            --label-description, the file's output.labels, or the label itself.
        shots: Labelled examples of the training part shown in each prompt.
        shot_choice: How they are chosen: as many of each label, at random, or those most similar to the text by the
            backbone's vectors.
        label_by: How a model on this machine tells a label: by the likelihoods of all labels (auto, too), or in an
            answer that it writes, which is held to the labels where llguidance is installed.
        score_by: For local models that write: the likelihoods are of the labels' words, or of letters, up to 26, with
            which the prompt lists them; `auto` takes what has the lower loss on validation rows.
        votes: For servers and written answers: number of answers for each text; the shares of their votes are the
            probabilities.
        calibration: For local models: how the scores of the labels' words become probabilities. `none` takes them as
            they are, `length` divides them by a word's tokens, `pmi` and `contextual` take off what the model says of
            an empty text or of several texts that say nothing, `batch` what it says of texts on average, and `affine`
            learns a weight and a bias for each word from validation rows; `auto` takes whichever has the lowest loss
            there, and `contextual` where no row has a label.
        option_orders: For local models: score each text with the prompt's list of labels in so many orders, and take
            the mean.
        cloze: For masked models: a sentence with the text and the gap that a label's word fills.
        hypothesis: For rerankers: how a label is put to a text, such as "This text is about {label}."; by default the
            label alone, and for models of natural language inference "This example is {label}.".
    """

    prompt: Path | None = None
    shots: int = 0
    shot_choice: Literal["balanced", "random", "nearest"] = "balanced"
    label_by: Literal["auto", "likelihoods", "answers"] = "auto"
    score_by: ScoreBy = "words"
    votes: int = 1
    calibration: Calibration = "auto"
    option_orders: int = 1
    cloze: str = "{text} All in all, it was {mask}."
    hypothesis: str | None = None

    def __post_init__(self) -> None:
        require(self.shots >= 0, f"--shots {self.shots}", "give 0 or more")
        require(1 <= self.votes <= 100, f"--votes {self.votes}", "give 1 to 100")
        require(1 <= self.option_orders <= 100, f"--option-orders {self.option_orders}", "give 1 to 100")
        whole = self.cloze.count("{text}") == 1 and self.cloze.count("{mask}") == 1
        require(whole, f"--cloze {self.cloze!r}", 'write {text} and {mask} once each, as in "{text} It was {mask}."')
        require(
            self.hypothesis is None or self.hypothesis.count("{label}") == 1,
            f"--hypothesis {self.hypothesis!r}",
            'write {label} once, as in "This text is about {label}."',
        )


@dataclass(frozen=True, kw_only=True)
class VariableSettings:
    """What is filled in for the variables of a prompt file.

    Attributes:
        var: NAME=VALUE for a variable of the prompt; may be given for each.
        var_file: NAME=FILE: the file's text is the value.
    """

    var: tuple[str, ...] = ()
    var_file: tuple[str, ...] = ()

    def read(self) -> dict[str, str]:
        """The values, by variable.

        Raises:
            PromptError: If one is not written as NAME=VALUE, a name comes twice, or a file cannot be read.
        """
        found: dict[str, str] = {}
        for flag, pairs in (("--var", self.var), ("--var-file", self.var_file)):
            for pair in pairs:
                name, equals, value = pair.partition("=")
                if not equals or not name:
                    raise PromptError(f"{flag} {pair[:60]!r} is not allowed: write NAME=VALUE, such as {flag} text=…")
                if name in found:
                    raise PromptError(f"the variable {name} is given twice: give it once")
                found[name] = _file_text(name, Path(value)) if flag == "--var-file" else value
        return found


def _file_text(name: str, path: Path) -> str:
    try:
        return read_text(path, _VALUE_BYTES)
    except OSError as error:
        raise PromptError(f"the file {path} for {name} cannot be read ({error.strerror}): check its name") from None
    except PromptError as error:
        raise PromptError(f"the file for {name} is too long: {error}") from None
    except UnicodeDecodeError:
        raise PromptError(f"the file {path} for {name} is no UTF-8 text: convert it first") from None
