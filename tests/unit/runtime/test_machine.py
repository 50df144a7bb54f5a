from pathlib import Path

from trifold.runtime import hardware, usable_cores


def test_the_facts_name_the_machine():
    facts = hardware()
    assert facts["cores"] == usable_cores()
    assert facts["bfloat16"] in ("native", "no")
    assert facts["cpu"]


def test_a_name_that_stands_for_several_processors_comes_with_its_numbers(monkeypatch):
    told = "processor\t: 0\nmodel name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 17\n\nprocessor\t: 1\n"
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: told if path.name == "cpuinfo" else read(path))
    assert hardware()["cpu"] == "AMD EPYC (family 25, model 17)"
