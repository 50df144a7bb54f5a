"""A trial: one damaged input, one command that is given it. A seed and a number make the same trial again."""

import csv
import random
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soak import commands
from soak.answers import good_reply, write_reply
from soak.commands import Command, Make, Place
from soak.folders import copy_folder, damage_folder, rehash
from soak.listener import Reply
from soak.mutations import Rows, damage_bytes, damage_toml
from soak.tables import count_rows, damaged_table

# How many of all trials are of a kind.
SHARES = {
    "csv": 600, "tsv": 200, "jsonl": 450, "json": 150, "parquet": 350, "prompt file": 300, "settings file": 200,
    "run": 900, "asking run": 100, "language model": 250, "comparison": 200, "stopped training": 200, "model": 250, "cache": 150, "log": 50,
    "server": 650,
}  # fmt: skip
_TABLES = ("csv", "tsv", "jsonl", "json", "parquet")
_LETTERS = string.ascii_letters + string.digits
_KEY = "OPENAI_API_KEY"
_OWN_KEY = "SOME_SERVERS_KEY"
SECRETS = (_KEY, _OWN_KEY, "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "GITHUB_TOKEN", "ANTHROPIC_API_KEY")


@dataclass(frozen=True)
class Trial:
    """What is run, and what must come of it.

    Attributes:
        number: With the seed, enough to make it again.
        kind: Of the input, as in `SHARES`.
        damage: What was done to it, in words.
        command: The command line.
        secrets: Environment variables whose values nobody may see.
        key_variable: The one whose value may be sent to the server that the arguments name.
        reply: What that server says; `None` where the arguments name none.
        rows: That an output of rows must have; `None` where it cannot be known.
        cache: The cache folder of the command; an empty one where `None`.
        terminal: Whether standard output claims to be a terminal.
    """

    number: int
    kind: str
    damage: str
    command: Command
    secrets: dict[str, str] = field(repr=False)
    key_variable: str | None = None
    reply: Reply | None = None
    rows: int | None = None
    cache: Path | None = None
    terminal: bool = False

    @property
    def verb(self) -> str:
        """Of the command: `predict`, `prompt run`."""
        program, *words = self.command.words
        if program != "trifold":
            return "TextClassifier.load"
        return " ".join(words[: 2 if words[0] == "prompt" else 1])


def make_trial(seed: int, number: int, place: Place) -> Trial:
    """Write the damaged input of a trial into its folder."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
    secrets = {name: "sk-" + "".join(rng.choices(_LETTERS, k=40)) for name in SECRETS}
    if kind in _TABLES:
        made = _table(rng, kind, place)
    elif kind in _SERVED:
        made = _SERVED[kind](rng, place, secrets)
    else:
        made = _MAKERS[kind](rng, place)
    return Trial(**{"number": number, "kind": kind, "secrets": secrets, **made})


def control_trials(place: Place) -> Iterator[tuple[Trial, Path]]:
    """Every command on intact inputs, and its folder. Where one of these is refused, its trials tell nothing."""
    originals = place.originals
    labels = {name: run for name, run in originals.runs.items() if name != "asking"}
    subjects: list[tuple[Iterable[Make], Path]] = [
        (commands.TABLE, originals.reviews),
        (commands.RUN, originals.runs["full"]),
        *(((commands.predict_text,), run) for run in labels.values()),
        ((commands.fill_mask,), originals.language_models["mlm"]),
        ((commands.generate, commands.perplexity), originals.language_models["clm"]),
        ((commands.generate,), originals.language_models["answering"]),
        ((commands.embed_text, commands.finetune_model), originals.encoder),
        ((commands.prompt_model,), originals.decoder),
        (commands.PROMPT_FILE, originals.prompt),
        (commands.SETTINGS_FILE, originals.config),
        ((commands.predict_text, commands.evaluate_with), originals.compared),
        (commands.CACHE, originals.cache),
        (commands.LOG, originals.log),
    ]
    for number, (make, subject) in enumerate((make, subject) for makes, subject in subjects for make in makes):
        here = Place(place.folder / str(number), originals, place.server, place.other)
        here.folder.mkdir()
        yield Trial(number, "control", "none", make(random.Random(0), here, subject), {}), here.folder


def _draw(rng: random.Random, made: dict[Make, int]) -> Make:
    return rng.choices(list(made), list(made.values()))[0]


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _table(rng: random.Random, kind: str, place: Place) -> dict[str, Any]:
    data, damage = damaged_table(rng, kind, _rows(place.originals.reviews))
    path = place.folder / f"data.{kind}"
    path.write_bytes(data)
    command = _draw(rng, commands.TABLE)(rng, place, path)
    return {"damage": damage, "command": command, "rows": count_rows(kind, data) if command.writes_rows else None}


def _run(rng: random.Random, place: Place) -> dict[str, Any]:
    name = rng.choice([name for name in place.originals.runs if name != "asking"])
    folder = copy_folder(place.originals.runs[name], place.folder / name)
    damage = damage_folder(rng, folder, lures(place))
    return {"damage": f"{name}, {damage}", **_with_reviews(rng, place, _draw(rng, commands.RUN)(rng, place, folder))}


def _asking(rng: random.Random, place: Place, secrets: dict[str, str]) -> dict[str, Any]:
    """A run that a stranger made to be asked at a server of theirs, with a key that is none of theirs."""
    folder = copy_folder(place.originals.runs["asking"], place.folder / "asking")
    secret = rng.choice(SECRETS)
    for path in folder.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(place.originals.asked, place.other).replace(_KEY, secret), encoding="utf-8")
    damage = damage_folder(rng, folder, lures(place)) if rng.random() < 0.5 else "intact"
    for manifest in folder.rglob("manifest.json"):
        rehash(manifest)
    damage = f"names {secret} and another server; {damage}"
    if rng.random() < 0.5:
        return {"damage": damage, **_with_reviews(rng, place, _draw(rng, commands.RUN)(rng, place, folder))}
    return _answered(rng, place, secrets, commands.predict_asking(rng, place, folder), damage)


def _with_reviews(rng: random.Random, place: Place, command: Command) -> dict[str, Any]:
    return {"command": command, "rows": len(_rows(place.originals.reviews)) - 1 if command.writes_rows else None}


def _language_model(rng: random.Random, place: Place) -> dict[str, Any]:
    name = rng.choice(list(place.originals.language_models))
    folder = copy_folder(place.originals.language_models[name], place.folder / name)
    damage = damage_folder(rng, folder, lures(place))
    return {
        "damage": f"{name}, {damage}",
        **_with_reviews(rng, place, _draw(rng, commands.LANGUAGE_MODEL)(rng, place, folder)),
    }


def _model(rng: random.Random, place: Place) -> dict[str, Any]:
    source = rng.choice((place.originals.encoder, place.originals.decoder))
    folder = copy_folder(source, place.folder / source.name)
    damage = damage_folder(rng, folder, lures(place))
    return {
        "damage": f"{source.name}, {damage}",
        **_with_reviews(rng, place, _draw(rng, commands.MODEL)(rng, place, folder)),
    }


def _comparison(rng: random.Random, place: Place) -> dict[str, Any]:
    folder = copy_folder(place.originals.compared, place.folder / "compared")
    damage = damage_folder(rng, folder, lures(place))
    return {"damage": damage, **_with_reviews(rng, place, _draw(rng, commands.COMPARISON)(rng, place, folder))}


def _stopped(rng: random.Random, place: Place) -> dict[str, Any]:
    folder = copy_folder(place.originals.stopped, place.folder / "stopped")
    damage = damage_folder(rng, folder, lures(place))
    return {"damage": damage, "command": _draw(rng, commands.STOPPED_TRAINING)(rng, place, folder)}


def _cache(rng: random.Random, place: Place) -> dict[str, Any]:
    folder = copy_folder(place.originals.cache, place.folder / "kept")
    damage = damage_folder(rng, folder, lures(place))
    return {"damage": damage, "command": _draw(rng, commands.CACHE)(rng, place, folder), "cache": folder}


def _log(rng: random.Random, place: Place) -> dict[str, Any]:
    data, damage = damage_bytes(rng, place.originals.log.read_bytes())
    path = place.folder / "kept.sqlite"
    path.write_bytes(data)
    return {"damage": damage, "command": _draw(rng, commands.LOG)(rng, place, path)}


def _prompt(rng: random.Random, place: Place) -> dict[str, Any]:
    data, damage = damage_toml(rng, place.originals.prompt.read_text())
    path = place.folder / "damaged.toml"
    path.write_bytes(data)
    return {"damage": damage, **_with_reviews(rng, place, _draw(rng, commands.PROMPT_FILE)(rng, place, path))}


def _settings(rng: random.Random, place: Place) -> dict[str, Any]:
    data, damage = damage_toml(rng, place.originals.config.read_text())
    path = place.folder / "damaged.toml"
    path.write_bytes(data)
    return {"damage": damage, "command": _draw(rng, commands.SETTINGS_FILE)(rng, place, path)}


def _server(rng: random.Random, place: Place, secrets: dict[str, str]) -> dict[str, Any]:
    rows = _rows(place.originals.reviews)[:12]
    path = place.folder / "few.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    command = _draw(rng, commands.SERVER)(rng, place, path)
    made = _answered(rng, place, secrets, command)
    return {**made, "rows": len(rows) - 1 if command.writes_rows else None}


def _answered(
    rng: random.Random, place: Place, secrets: dict[str, str], command: Command, damage: str = ""
) -> dict[str, Any]:
    """A command whose server answers badly; the key may be one that cannot be sent."""
    variable = _KEY
    if rng.random() < 0.4:
        variable = rng.choice((_OWN_KEY, "AWS_SECRET_ACCESS_KEY"))
        command = replace(command, words=(*command.words, "--api-key-env", variable))
    form = rng.choice(("{}",) * 6 + ("{}\n", "\t{}", "{}\r", "{}\x01", "{}é", "short"))
    key = secrets[variable] = secrets[variable][:7] if form == "short" else form.format(secrets[variable])
    other_port = int(place.other.rpartition(":")[2].partition("/")[0])
    reply, what = write_reply(rng, key, other_port, ("good", "bad", place.originals.prompt.read_text()))
    if rng.random() < 0.1:
        reply, what = good_reply("good"), "a good answer"
    return {
        "damage": f"{damage}; key {form!r}; {what}".lstrip("; "), "command": command, "reply": reply,
        "key_variable": variable, "terminal": rng.random() < 0.5,
    }  # fmt: skip


def lures(place: Place) -> tuple[str, ...]:
    """Texts that must lead to nothing where a damaged file holds them."""
    return (
        place.other, f"openai:{place.other}#soak", f"hf:{place.folder / 'nowhere'}", *SECRETS, str(place.folder),
        "http://example.com/model", "user/model", str(place.originals.encoder), str(place.originals.runs["tfidf"]),
    )  # fmt: skip


_SERVED = {"server": _server, "asking run": _asking}
_MAKERS = {
    "prompt file": _prompt, "settings file": _settings, "run": _run, "language model": _language_model, "model": _model,
    "comparison": _comparison, "stopped training": _stopped, "cache": _cache, "log": _log,
}  # fmt: skip
