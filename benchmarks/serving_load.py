"""How the server holds: throughput, waiting, sharing, memory, overload, and runs swapped under load.

    python benchmarks/serving_load.py [--folder FOLDER] [--turns 3] [PART…]

Parts: throughput (beside `predict`, and a plain FastAPI endpoint around a pipeline of transformers), fairness (one
short text while a client sends 32 long ones at a time), heads (five runs on one backbone), memory (20,000 requests),
overload (four times the clients), swap (a run replaced while it is asked). Reviews of
imdb/train.parquet, runs trained on imdb/movie.csv with minilm. Server and clients share this machine's cores. Nothing
else may run meanwhile; some 25 minutes on two cores. Raw rows (each request's milliseconds and status) and facts go to
results/serving/. Needs TRIFOLD_DATA and the extra `serve`.
"""

import argparse
import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from load_generator import Answered, ask_all, bodies
from provenance import provenance
from result_tables import Row, labelled_texts, write_rows
from trifold.runtime import machine_load

RESULTS = Path(__file__).parent / "results" / "serving"
PEER = Path(__file__).parent / "peers" / "plain_endpoint.py"
DATA = Path(os.environ.get("TRIFOLD_DATA", "")) / "imdb"
CLIENTS, PORT = 32, 8471
REVIEWS = 1_500
HEADS = 5
# The plain endpoint lets everybody wait.
PATIENT = ("--queue-seconds", "30")
# Of a client that was refused: shorter than it is told, so that the server stays overloaded.
REST_SECONDS = 0.2
SHORT, LONG_WORDS = "A superb, moving film.", 200


def main() -> None:
    """Measure the parts that are asked for, each with servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/serving"))
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for part in given.parts or PARTS:
        load = machine_load()
        rows, facts = PARTS[part](given.folder, given.turns)
        write_rows(RESULTS / f"{part}.parquet", rows)
        kept = {**provenance(), "backbone": "minilm", "load_before": load, **facts}
        (RESULTS / f"{part}.json").write_text(json.dumps(kept, indent=1) + "\n")
        print(part, json.dumps(facts, indent=1), flush=True)


def throughput(folder: Path, turns: int) -> tuple[list[Row], dict[str, Any]]:
    """32 clients, a review each time: this server, the plain endpoint, and `predict` in a process of its own."""
    run = trained(folder, "full", 600, "--epochs", "1")
    texts = reviews(REVIEWS)
    rows: list[Row] = []
    for turn in range(turns):
        seconds = predict_seconds(run, texts)
        rows.append(row_of("predict", turn, len(texts), 200, seconds, seconds))
        for way, server in (("serve", trifold(run, *PATIENT)), ("plain", plain(run))):
            with server:
                # The plain endpoint is slow: it gets fewer.
                some = texts if way == "serve" else texts[: REVIEWS // 3]
                asyncio.run(ask_all(PORT, bodies(reviews(64, skip=REVIEWS)), CLIENTS))
                rows += asked(bodies(some), CLIENTS, way, turn)
        print({way: rate_of(rows, way) for way in ("predict", "serve", "plain")}, flush=True)
    median = {way: rate_of(rows, way) for way in ("predict", "serve", "plain")}
    p99 = {way: percentile_of(rows, way, 99) for way in ("serve", "plain")}
    return rows, {
        "texts_a_second": median,
        "p99_ms": p99,
        "to_predict": median["serve"] / median["predict"],
        "to_plain": median["serve"] / median["plain"],
        "p99_to_plain": p99["serve"] / p99["plain"],
    }


def fairness(folder: Path, turns: int) -> tuple[list[Row], dict[str, Any]]:
    """A short text, alone and while another client sends 32 long ones at a time."""
    run = trained(folder, "full", 600, "--epochs", "1")
    long_ones = [text for text in reviews(4_000) if len(text.split()) >= LONG_WORDS][:320]
    rows: list[Row] = []
    for turn in range(turns):
        with trifold(run):
            asyncio.run(ask_all(PORT, bodies([SHORT] * 50), 1))
            rows += asked(bodies([SHORT] * 300), 1, "alone", turn)
            begun = time.perf_counter()
            rows += raw(asyncio.run(short_beside(bodies(long_ones, 32))), "beside", turn, begun)
    return rows, {
        "p99_ms": {way: percentile_of(rows, way, 99) for way in ("alone", "beside")},
        "p50_ms": {way: percentile_of(rows, way, 50) for way in ("alone", "beside")},
        "p99_ratio": percentile_of(rows, "beside", 99) / percentile_of(rows, "alone", 99),
        "shorts_beside": sum(row["way"] == "beside" for row in rows),
    }


async def short_beside(questions: Sequence[tuple[str, bytes]]) -> list[Answered]:
    """Short texts, one after the other, for as long as the long ones take."""
    long_ones = asyncio.create_task(ask_all(PORT, questions, 1))
    found: list[Answered] = []
    while not long_ones.done():
        found += await ask_all(PORT, bodies([SHORT]), 1)
    assert {answer.status for answer in await long_ones} == {200}
    return found


def heads(folder: Path, turns: int) -> tuple[list[Row], dict[str, Any]]:
    """Five runs of `features` that are asked for each review, and one of them."""
    runs = [trained(folder, "features", 600, "--seed", str(seed)) for seed in range(HEADS)]
    names = [run.name for run in runs]
    texts = reviews(480)
    rows: list[Row] = []
    for turn in range(turns):
        with trifold(*runs, *PATIENT):
            asyncio.run(ask_all(PORT, bodies(reviews(64, skip=600), model=names), CLIENTS))
            rows += asked(bodies(texts, model=names[:1]), CLIENTS, "one", turn)
            rows += asked(bodies(texts, model=names), CLIENTS, "five", turn)
    return rows, {"ratio": rate_of(rows, "one") / rate_of(rows, "five")}


def memory(folder: Path, _: int) -> tuple[list[Row], dict[str, Any]]:
    """Resident memory after 500 requests and after 20,000, texts of 5 to 2,000 words, 32 clients."""
    run = trained(folder, "features", 600, "--seed", "0")
    draw = np.random.default_rng(0)
    words = " ".join(reviews(2_000)).split()
    texts = []
    for count in np.exp(draw.uniform(np.log(5), np.log(2_000), 20_000)).astype(int):
        start = int(draw.integers(len(words) - count))
        texts.append(" ".join(words[start : start + count]))
    rows: list[Row] = []
    with trifold(run, *PATIENT) as process:
        for done, part in ((500, texts[:500]), (20_000, texts[500:])):
            answers = asyncio.run(ask_all(PORT, bodies(part), CLIENTS))
            assert {answer.status for answer in answers} == {200}
            rows.append({"requests": done, "resident_bytes": resident(process.pid)})
    first, last = (row["resident_bytes"] for row in rows)
    return rows, {"ratio": last / first}


def overload(folder: Path, _: int) -> tuple[list[Row], dict[str, Any]]:
    """Four times as many clients as usual, who wait a little when they are refused; then one, a second later."""
    run = trained(folder, "full", 600, "--epochs", "1")
    rows: list[Row] = []
    statuses: dict[str, dict[str, int]] = {}
    with trifold(run):
        for way, count, clients in (("usual", 400, CLIENTS), ("over", 3_000, 4 * CLIENTS)):
            begun = time.perf_counter()
            found = asyncio.run(ask_all(PORT, bodies(reviews(count)), clients, rest_seconds=REST_SECONDS))
            rows += raw(found, way, 0, begun)
            statuses[way] = {str(status): number for status, number in Counter(one.status for one in found).items()}
        time.sleep(1)
        rows += asked(bodies([SHORT] * 20), 1, "after", 0)
    accepted = [row for row in rows if row["status"] == 200]
    return rows, {
        "statuses": statuses,
        "p99_ms": {way: percentile_of(accepted, way, 99) for way in ("usual", "over", "after")},
    }


def swap(folder: Path, _: int) -> tuple[list[Row], dict[str, Any]]:
    """Two versions of a run take turns behind one name, while 32 clients ask for the same texts."""
    versions = [trained(folder, "features", rows, "--seed", "0") for rows in (600, 300)]
    texts = reviews(2_000)
    expected = [whole_answers(version, texts) for version in versions]
    served = folder / "served"
    replace_link(served, versions[0])
    with trifold(served, *PATIENT) as process:
        answers, swaps = asyncio.run(asked_while_swapped(process, served, versions, texts))
    rows: list[Row] = []
    for answer in answers:
        number = answer.number
        scores = {one["label"]: one["score"] for one in answer.content()[0]} if answer.status == 200 else {}
        of = [v for v in (0, 1) if all(abs(scores.get(name, -1) - p) < 5e-3 for name, p in expected[v][number].items())]
        rows.append({"text": number, "status": answer.status, "milliseconds": answer.seconds * 1_000, "of": str(of)})
    return rows, {
        "swaps": swaps,
        "requests": len(rows),
        "lost": sum(row["status"] != 200 for row in rows),
        "of_neither": sum(row["of"] == "[]" for row in rows),
        "by_version": dict(Counter(row["of"] for row in rows)),
    }


async def asked_while_swapped(
    process: subprocess.Popen[bytes], served: Path, versions: list[Path], texts: list[str]
) -> tuple[list[Answered], int]:
    """Every text once, with the run swapped every second; how often."""
    clients = asyncio.create_task(ask_all(PORT, bodies(texts), CLIENTS))
    swaps = 0
    while not clients.done():
        await asyncio.sleep(1)
        swaps += 1
        replace_link(served, versions[swaps % 2])
        process.send_signal(signal.SIGHUP)
    return await clients, swaps


def replace_link(link: Path, target: Path) -> None:
    """Point a link to another folder, at one moment."""
    aside = link.with_name("aside")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)


def whole_answers(run: Path, texts: list[str]) -> list[dict[str, float]]:
    """What `predict` says of each text."""
    from trifold.inference.predict import predict_texts
    from trifold.inference.run import load_run

    return [one.probabilities for one in predict_texts(load_run(run).predictor, texts)]


def predict_seconds(run: Path, texts: list[str]) -> float:
    """What `predict` takes for some texts in a process of its own, warm, loading left out."""
    script = (
        "import json, sys, time\n"
        "from trifold.inference.predict import predict_texts\n"
        "from trifold.inference.run import load_run\n"
        "from trifold.runtime import prepare\n"
        "prepare()\n"
        "texts = json.load(sys.stdin)\n"
        "predictor = load_run(sys.argv[1]).predictor\n"
        "predict_texts(predictor, texts[-64:])\n"
        "begun = time.perf_counter()\n"
        "predict_texts(predictor, texts[:-64])\n"
        "print(time.perf_counter() - begun)\n"
    )
    command = [sys.executable, "-c", script, str(run)]
    given = json.dumps([*texts, *reviews(64, skip=REVIEWS)]).encode()
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def trained(folder: Path, method: str, rows: int, *flags: str) -> Path:
    """A run of a method on the first rows, trained where it is not there yet."""
    run = folder / "-".join([method, str(rows), *(flag.lstrip("-") for flag in flags)])
    if not run.exists():
        data = folder / f"movie-{rows}.csv"
        with (DATA / "movie.csv").open(newline="", encoding="utf-8") as source, data.open("w", newline="") as target:
            csv.writer(target).writerows(row for _, row in zip(range(rows + 1), csv.reader(source), strict=False))
        command = [sys.executable, "-m", "trifold", "finetune", data, "--method", method, *flags]
        subprocess.run([*map(str, command), "--output-dir", str(run), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return run


def reviews(count: int, skip: int = 0) -> list[str]:
    """Reviews of the training half, shuffled, after those that are skipped."""
    texts = [text for text, _ in labelled_texts(DATA / "train.parquet")]
    order = np.random.default_rng(1).permutation(len(texts))[skip : skip + count]
    return [texts[place] for place in order]


@contextmanager
def trifold(*given: Path | str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of ours, ready."""
    with server(
        [sys.executable, "-m", "trifold", "serve", *given, "--port", PORT, "--no-access-log", "--quiet"]
    ) as process:
        yield process


@contextmanager
def plain(run: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The peer, ready."""
    with server([sys.executable, PEER, run / "model", PORT]) as process:
        yield process


@contextmanager
def server(command: Sequence[object]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers on the port, ended behind."""
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_ready(process)
            yield process
        finally:
            process.terminate()


def until_ready(process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers."""
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server was not ready within two minutes")


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def asked(questions: Sequence[tuple[str, bytes]], clients: int, way: str, turn: int) -> list[Row]:
    """Ask all questions, none of which may be refused."""
    begun = time.perf_counter()
    answers = asyncio.run(ask_all(PORT, questions, clients))
    assert {answer.status for answer in answers} == {200}, Counter(answer.status for answer in answers)
    return raw(answers, way, turn, begun)


def raw(answers: Sequence[Answered], way: str, turn: int, begun: float) -> list[Row]:
    """A row for each request."""
    return [row_of(way, turn, 1, answer.status, answer.seconds, answer.ended - begun) for answer in answers]


def row_of(way: str, turn: int, texts: int, status: int, seconds: float, ended: float) -> Row:
    """A request: how long it took, and when it was answered, in seconds since the first was sent."""
    return {
        "way": way,
        "turn": turn,
        "texts": texts,
        "status": status,
        "milliseconds": seconds * 1_000,
        "ended_seconds": ended,
    }


def percentile_of(rows: Sequence[Row], way: str, percent: float) -> float:
    """Of all turns' requests."""
    return float(np.percentile([row["milliseconds"] for row in rows if row["way"] == way], percent))


def rate_of(rows: Sequence[Row], way: str) -> float:
    """Texts a second in the median turn."""
    turns: dict[int, list[Row]] = {}
    for row in rows:
        if row["way"] == way:
            turns.setdefault(row["turn"], []).append(row)
    return float(
        np.median(
            [sum(row["texts"] for row in some) / max(row["ended_seconds"] for row in some) for some in turns.values()]
        )
    )


PARTS: dict[str, Callable[[Path, int], tuple[list[Row], dict[str, Any]]]] = {
    "throughput": throughput,
    "fairness": fairness,
    "heads": heads,
    "memory": memory,
    "overload": overload,
    "swap": swap,
}

if __name__ == "__main__":
    main()
