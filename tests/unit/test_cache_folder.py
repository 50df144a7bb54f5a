"""Where the cache lies, and the choices that are kept in it."""

import os
from pathlib import Path

import numpy as np
import pytest

from trifold.atomic import kept_folder
from trifold.cache_folder import CacheEntry, cache_folder, clear, least_recently_used, list_choices, remembered


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("TRIFOLD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/trifold")


@pytest.fixture
def computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What `answer` was asked to compute, in a cache of its own."""
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "own"))
    return []


def answer(number: float, computed: list[float]) -> tuple[dict[str, np.ndarray], float]:
    def compute() -> dict[str, np.ndarray]:
        computed.append(number)
        return {"number": np.float32([number]), "square": np.array(number**2)}

    return remembered({"what": "test", "number": number}, compute)


def test_what_follows_from_the_same_is_computed_once(computed: list[float]) -> None:
    (first, none), (second, some) = answer(0.1, computed), answer(0.1, computed)
    assert computed == [0.1]
    assert none == 0.0 < some
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
        assert array.dtype == second[name].dtype
    assert answer(0.2, computed)[0]["number"] == np.float32(0.2)


@pytest.mark.parametrize("harm", ["cut", "emptied", "replaced"])
def test_a_damaged_choice_is_made_again(harm: str, computed: list[float]) -> None:
    answer(0.1, computed)
    (kept,) = list_choices()
    kept.write_bytes({"cut": kept.read_bytes()[:200], "emptied": b"", "replaced": b"something else"}[harm])
    assert answer(0.1, computed)[1] == 0.0
    assert answer(0.1, computed)[1] > 0.0
    assert computed == [0.1, 0.1]


def test_of_choices_those_used_last_are_kept(computed: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifold.cache_folder.MAX_CHOICES", 2)
    for age, number in enumerate((1.0, 2.0)):
        answer(number, computed)
        os.utime(list_choices()[0], (age, age))
    answer(1.0, computed)
    answer(3.0, computed)
    assert computed == [1.0, 2.0, 3.0]
    answer(1.0, computed)
    answer(2.0, computed)
    assert computed == [1.0, 2.0, 3.0, 2.0]


def test_large_choices_are_kept_within_a_limit_of_bytes(computed: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifold.cache_folder.MAX_CHOICES_BYTES", 1)
    answer(1.0, computed)
    os.utime(list_choices()[0], (1, 1))
    answer(2.0, computed)
    answer(2.0, computed)
    assert len(list_choices()) == 1
    assert computed == [1.0, 2.0]


def test_where_nothing_can_be_kept_it_is_computed_each_time(
    computed: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").write_text("a file stands in the way")
    for _ in range(2):
        assert answer(0.1, computed)[0]["number"] == np.float32(0.1)
    assert computed == [0.1, 0.1]
    assert capsys.readouterr().err.count("going on without it") == 1


@pytest.mark.parametrize("kind", ["corpora", "vocabularies"])
def test_what_another_process_is_writing_stays_however_long_it_takes(tmp_path: Path, kind: str) -> None:
    for name in (".old.lock", ".old.0123abcd.partial"):
        (tmp_path / kind / name).parent.mkdir(exist_ok=True)
        (tmp_path / kind / name).write_text("")
        os.utime(tmp_path / kind / name, (1, 1))
    with kept_folder(tmp_path / kind / "new", "last") as aside:
        assert aside is not None
        (aside / "first").write_text("")
        for path in (aside / "first", aside):
            os.utime(path, (1, 1))
        clear(tmp_path)
        assert len(list((tmp_path / kind).iterdir())) == 2
        (aside / "last").write_text("")
    assert sorted(path.name for path in (tmp_path / kind).rglob("*")) == ["first", "last", "new"]


@pytest.mark.parametrize(
    ("limits", "removed"),
    [({"max_bytes": 20}, "ab"), ({"max_count": 3}, "a"), ({"max_bytes": 0, "always_kept": 1}, "abc"), ({}, "")],
    ids=str,
)
def test_the_least_recently_used_are_removed_until_the_rest_is_within_the_limits(
    limits: dict[str, int], removed: str
) -> None:
    entries = [CacheEntry(Path(name), used, 10) for used, name in enumerate("abcd")]
    assert {str(entry.path) for entry in least_recently_used(entries, **limits)} == set(removed)
