"""docs/performance.md is what benchmarks/performance_page.py makes of the kept times."""

import importlib.util
import statistics
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    path = ROOT / "benchmarks" / "performance_page.py"
    spec = importlib.util.spec_from_file_location("performance_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_kept_times(maker: ModuleType) -> None:
    if not maker.RESULTS.is_dir():
        pytest.skip("no times are kept yet")
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page()


def test_every_kept_table_is_of_several_turns_and_says_how_it_was_made(maker: ModuleType) -> None:
    for path in sorted([*maker.RESULTS.glob("*.json"), *maker.GPU_RESULTS.glob("*.json")]):
        result = maker.load(path.stem, path.parent)
        assert path.stem.partition("@")[0] in maker.TABLES
        several = [len(turns) for name, turns in result["turns"].items() if name not in result.get("once", ())]
        assert min(several) == max(several) >= 3, path
        assert len(result["commit"]) == 40
        assert result["hardware"]["cpu"]
        assert result["versions"]["torch"]


def test_a_ratio_is_of_medians(maker: ModuleType) -> None:
    turns = {"a": [{"s": 1.0}, {"s": 9.0}, {"s": 2.0}], "b": [{"s": 4.0}]}
    assert maker.medians({"figure": "s", "turns": turns}) == {"a": 2.0, "b": statistics.median([4.0])}
