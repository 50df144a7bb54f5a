"""Where `full` learns from its own earlier answers unless it is told otherwise."""

from typing import Any

import pytest

from trifold.methods import tuned
from trifold.methods.contract import MethodSettings
from trifold.methods.full import Full
from trifold.tasks.labels import LabelMap
from trifold.types import Examples


class _SeenError(Exception):
    """The plan was asked for with these defaults."""


@pytest.mark.parametrize(
    ("labels", "share"),
    [(("a", "b"), 0.5), ((("a",), ("a", "b")), 0.0)],
)
def test_only_where_a_row_has_one_label(labels: tuple[Any, ...], share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str, defaults: Any, *__: Any, **___: Any) -> None:
        raise _SeenError(defaults.self_distillation)

    monkeypatch.setattr(tuned, "make_plan", refuse)
    monkeypatch.setattr(tuned, "tuned_budget", lambda *_: 1_024)
    rows = Examples((0, 1), ("good", "bad"), labels)
    with pytest.raises(_SeenError) as found:
        Full(MethodSettings()).learn(rows, rows, LabelMap.of(labels))
    assert found.value.args == (share,)
