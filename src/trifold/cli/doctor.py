"""Verbs on the installation: `doctor`, `selftest`."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print

if TYPE_CHECKING:
    from trifold.pipeline.doctor import Diagnosis, Machine

_FAILED = 1


def doctor(*, json: bool = False) -> None:
    """Tell what this machine has, what of it would be used, and what to do; no connection is opened.

    Args:
        json: Print JSON instead.
    """
    from trifold.pipeline.doctor import diagnose

    found = diagnose()
    if json:
        print_json(found)
        return
    print_table([{"what": what, "here": here} for what, here in _rows(found)], left_aligned=2)
    print()
    for sentence in found.advice or ["Nothing is missing."]:
        print(sentence)
    say_next("selftest")


def _rows(found: "Diagnosis") -> list[tuple[str, str]]:
    from trifold.formatting import megabytes

    extras = {
        name: f"missing: {', '.join(missing)}" if missing else "installed" for name, missing in found.extras.items()
    }
    hub = "not asked: HF_HUB_OFFLINE is set" if found.hub["offline"] else "asked only where its ids are named"
    return [
        *found.versions.items(),
        ("system", found.system),
        *_machine_rows(found.machine),
        ("training", f"on {found.training.device} in {found.training.precision}"),
        *(
            (
                f"--engine {one.setting}",
                f"{one.name}, {one.precision}: {one.reason}" if one.name else f"none: {one.reason}",
            )
            for one in found.engines
        ),
        *((f"extra {name}", state) for name, state in extras.items()),
        *((f"backbone {name}", megabytes(size)) for name, size in found.backbones.items()),
        *((f"model {name}", where) for name, where in found.models.items()),
        *([("folder of minilm", found.minilm)] if found.minilm else []),
        *((f"cache {folder}", megabytes(size)) for folder, size in found.caches.items()),
        (f"hub {found.hub['address']}", hub),
    ]


def _machine_rows(machine: "Machine") -> list[tuple[str, str]]:
    from trifold.formatting import megabytes

    load = "" if machine.load is None else f", load {machine.load:.1f}"
    bfloat16 = "bfloat16" if machine.bfloat16_pays else "bfloat16, slower than float32"
    multiplied = {bfloat16: machine.bfloat16, "AMX": machine.amx, "8-bit integers (VNNI)": machine.vnni}
    return [
        ("processor", machine.processor),
        ("cores", f"{machine.cores} usable{load}; {machine.threads} for numeric work"),
        ("multiplies", ", ".join(name for name, has in multiplied.items() if has) or "float32 alone"),
        ("GPU", ", ".join(machine.gpus) or "none that PyTorch sees"),
        ("memory", f"{megabytes(machine.memory_bytes)}, {megabytes(machine.available_bytes)} free"),
        (f"disk of {Path.cwd()}", f"{megabytes(machine.free_disk_bytes)} free"),
    ]


def selftest(*, model: str = "minilm", llm: str | None = None, json: bool = False) -> int:
    """Train every method on texts that come with Trifold, save it, load it and ask it; takes about a minute.

    The exit code is 1 if one fails.

    Args:
        model: Backbone: minilm, mpnet, gemma-270m, a folder, a GGUF file, or a hub id that is in the local cache.
        llm: Language model for the method prompt: gemma-270m, hf:FOLDER, or a server such as openai:BASE_URL#MODEL.
        json: Print JSON instead.
    """
    from trifold.formatting import duration
    from trifold.pipeline.selftest import run_selftest

    trials = run_selftest(model, llm)
    failed = [one for one in trials if one.result == "failed"]
    if json:
        print_json({"passed": not failed, "trials": trials})
        return _FAILED if failed else 0
    print_table(
        [
            {"method": one.name, "result": one.result, "seconds": duration(one.seconds), "": one.reason}
            for one in trials
        ],
        left_aligned=2,
    )
    passed = sum(one.result == "passed" for one in trials)
    print(f"\n{passed} passed, {len(failed)} failed, {len(trials) - passed - len(failed)} skipped")
    say_next("doctor" if failed else "demo")
    return _FAILED if failed else 0
