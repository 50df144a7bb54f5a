"""Names of this machine's files in what a run has recorded, and what stands for each where others read it.

Data are named by what they are for, since their hashes stand beside; models in folders by the folder's own name.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trifold.llm.settings import without_server

_HUB = "hf:"
# What stands for each of the files with rows.
_DATA = {"path": "data", "test_file": "test-data", "validation_file": "validation-data"}
# Fields of JSON files in which places are named; labels and words may look like places, and are none.
_PLACES = frozenset(
    (
        *("base", "base_model_name_or_path", "name_or_path", "_name_or_path", "name", "model", "llm"),
        *("prompt", "pretrain_on", "from", "rows_from", "exclude"),
    )
)
_NEVER = frozenset(("labels", "id2label", "label2id", "words", "label_rows", "thresholds"))
# Words of a command that begin so name a place, and so do those with a slash that are no name on the hub.
_BEGINNINGS = ("/", "./", "../", "~")
_SHORTEST = 3


class PrivateNames:
    """What is to be left unsaid of a run.

    Args:
        record: Content of its `run.json`.
        folder: The run folder.
    """

    def __init__(self, record: Mapping[str, Any], folder: Path) -> None:
        self._known: dict[str, str] = {}
        data = record.get("data")
        for facts in (data, data.get("reading")) if isinstance(data, dict) else ():
            for field, shown in _DATA.items():
                value = facts.get(field) if isinstance(facts, dict) else None
                # Those of pretraining are several, in one text.
                for one in (value, *value.split(", ")) if isinstance(value, str) else ():
                    if one and not one.startswith(_HUB):
                        self._known[one] = shown
        backbone = record.get("backbone")
        here = isinstance(backbone, dict) and Path(str(backbone.get("name"))).is_absolute()
        model = (record.get("settings") or {}).get("model")
        if here and isinstance(model, str):
            self._known[model] = Path(model).name
        self._roots = [str(place) for place in (folder.resolve(), Path.cwd(), Path.home()) if len(place.parts) > 1]

    def in_json(self, value: Any, field: str = "") -> Any:
        """The content of a JSON file without them.

        Args:
            value: Any part of it.
            field: The name of the field that holds the part.
        """
        if isinstance(value, dict):
            return {name: one if name in _NEVER else self.in_json(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.in_json(one, field) for one in value]
        if not isinstance(value, str):
            return value
        if field == "command":
            return self._command(value)
        if field in _DATA and value in self._known:
            return self._known[value]
        return self._place(value) if field in _PLACES else self._without_roots(value)

    def in_text(self, text: str) -> str:
        """A text for people without them."""
        names = dict(self._known)
        for name, shown in self._known.items():
            names.setdefault(Path(name).name, shown)
        for name in sorted(names, key=len, reverse=True):
            if len(name) >= _SHORTEST and name != names[name]:
                shown = names[name].replace("\\", "\\\\")
                text = re.sub(rf"(?<![\w./-]){re.escape(name)}(?![\w-])", shown, text)
        return self._without_roots(text)

    def _command(self, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError:
            return self._without_roots(command)
        return shlex.join(self._word(word) for word in words)

    def _word(self, word: str) -> str:
        flag, mark, value = word.partition("=") if word.startswith("--") else ("", "", word)
        return f"{flag}{mark}{self._place(value)}"

    def _place(self, value: str) -> str:
        """A name or, where it names a place on this machine, its last part; a server's address is left out."""
        if value in self._known:
            return self._known[value]
        value = str(without_server(value))
        prefix, mark, rest = value.partition(":") if value.startswith((_HUB, "rerank:")) else ("", "", value)
        is_place = rest.startswith(_BEGINNINGS) or rest.count("/") > 1 or ("/" in rest and Path(rest).exists())
        return f"{prefix}{mark}{Path(rest).name or rest}" if is_place and "://" not in rest else value

    def _without_roots(self, text: str) -> str:
        """A text in which no path begins with a folder of this machine."""
        for root in self._roots:
            text = re.sub(rf"(?<![\w.-]){re.escape(root)}(?![\w-])[^\s'\"`<>,)]*", lambda one: Path(one[0]).name, text)
        return text
