"""The store on disk: what it gives back, what a kill leaves, what it may take."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trifold.backbone.cache import Store, cache_folder, clear, half, list_choices, list_stores, remembered, shrink

KIND: dict[str, object] = {"what": "test", "weights": "abc"}
WIDTH = 4


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


def array(number: int) -> np.ndarray:
    return np.full((number % 3 + 1, WIDTH), number, dtype=np.float16)


def filled(root: Path, *numbers: int, limit: int = 1 << 30, **kind: object) -> Store:
    store = Store({**KIND, **kind}, WIDTH, limit, root)
    store.write([digest(n) for n in numbers], [array(n) for n in numbers], float(len(numbers)))
    return store


def test_what_was_written_is_there_for_others(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3)
    filled(tmp_path, 4, 5)
    back = Store(KIND, WIDTH, 1 << 30, tmp_path)
    for number in range(1, 6):
        np.testing.assert_array_equal(back.read(digest(number)), array(number))
    assert digest(6) not in back
    assert back.seconds([digest(1), digest(4)]) == pytest.approx(2.0)


def test_another_kind_is_another_store(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    assert digest(1) not in Store({**KIND, "weights": "other"}, WIDTH, 1 << 30, tmp_path)


def test_half_precision_clips_what_it_cannot_hold() -> None:
    assert half(np.array([1e9, -1e9, 1.5])).tolist() == [65504.0, -65504.0, 1.5]


@pytest.mark.parametrize("harm", ["no index", "short data", "no data", "garbage index", "cut index"])
def test_what_is_damaged_is_computed_again(harm: str, tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (index,) = tmp_path.glob("features/*/*.npz")
    data = index.with_suffix(".bin")
    if harm == "no index":
        index.unlink()
    elif harm == "short data":
        data.write_bytes(data.read_bytes()[:-8])
    elif harm == "no data":
        data.unlink()
    elif harm == "garbage index":
        index.write_bytes(b"PK nonsense")
    else:
        index.write_bytes(index.read_bytes()[:100])
    store = Store(KIND, WIDTH, 1 << 30, tmp_path)
    assert digest(1) not in store
    store.write([digest(1)], [array(1)], 1.0)
    assert digest(1) in Store(KIND, WIDTH, 1 << 30, tmp_path)


WRITER = """
import sys, numpy as np
from pathlib import Path
from trifold.backbone.cache import Store
store = Store({"what": "test", "weights": "abc"}, 4, 1 << 40, Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    digests = [(number + i).to_bytes(16, "big") for i in range(50)]
    store.write(digests, [np.full((3, 4), (number + i) % 1000, dtype=np.float16) for i in range(50)], 1.0)
    number += 50
"""


def test_killed_while_writing_it_holds_nothing_wrong(tmp_path: Path) -> None:
    for moment in (0.03, 0.1, 0.17, 0.24, 0.31):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
        store = Store(KIND, WIDTH, 1 << 40, tmp_path)
        found = [number for number in range(100_000) if digest(number) in store]
        assert len(found) % 50 == 0
        for number in found:
            np.testing.assert_array_equal(store.read(digest(number)), np.full((3, 4), number % 1000))


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        filled(tmp_path, number, weights=f"w{number}")
        for path in tmp_path.glob("features/*/*.npz"):
            os.utime(path, (path.stat().st_mtime - 100, path.stat().st_mtime - 100))
    # Reading counts as use.
    Store({**KIND, "weights": "w1"}, WIDTH, 1 << 30, tmp_path)
    sizes = [
        sum(f.stat().st_size for f in path.parent.glob("*.*") if f.suffix != ".json")
        for path in tmp_path.glob("features/*/*.npz")
    ]
    shrink(sum(sizes) - 1, tmp_path / "features")
    left = {
        number
        for number in (1, 2, 3)
        if digest(number) in Store({**KIND, "weights": f"w{number}"}, WIDTH, 1 << 30, tmp_path)
    }
    assert left == {1, 3}


def test_what_killed_processes_left_is_cleared_when_it_is_old(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (index,) = tmp_path.glob("features/*/*.npz")
    fresh, old = index.with_name("fresh.bin"), index.with_name("old.bin")
    for path in (fresh, old):
        path.write_bytes(b"half a segment")
    os.utime(old, (0, 0))
    shrink(1 << 30, tmp_path / "features")
    assert fresh.exists()
    assert not old.exists()
    assert digest(1) in Store(KIND, WIDTH, 1 << 30, tmp_path)


def test_stores_are_listed_and_cleared(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2)
    filled(tmp_path, 1, weights="other")
    found = {str(store.described["weights"]): store for store in list_stores(tmp_path)}
    assert {name: store.texts for name, store in found.items()} == {"abc": 2, "other": 1}
    assert clear(tmp_path) == sum(store.size_bytes for store in found.values())
    assert list_stores(tmp_path) == []
    assert clear(tmp_path) == 0


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
    monkeypatch.setattr("trifold.backbone.cache._MOST_CHOICES", 2)
    for age, number in enumerate((1.0, 2.0)):
        answer(number, computed)
        os.utime(list_choices()[0], (age, age))
    answer(1.0, computed)
    answer(3.0, computed)
    assert computed == [1.0, 2.0, 3.0]
    answer(1.0, computed)
    answer(2.0, computed)
    assert computed == [1.0, 2.0, 3.0, 2.0]


def test_where_nothing_can_be_kept_it_is_computed_each_time(
    computed: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").write_text("a file stands in the way")
    for _ in range(2):
        assert answer(0.1, computed)[0]["number"] == np.float32(0.1)
    assert computed == [0.1, 0.1]
    assert capsys.readouterr().err.count("going on without it") == 1
