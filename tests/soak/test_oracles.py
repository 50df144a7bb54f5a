"""Each oracle of the soak finds the fault that it is there for; a program without one passes."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.commands import Command
from soak.mutations import damage_bytes, damage_json
from soak.oracles import innermost, judge
from soak.tables import damaged_table
from soak.trials import Trial
from soak.watch import Seen, Watch

SECRET = "sk-LzQ81mXrV0pTc5uNhY2s"
HEAD = "import os, socket, subprocess, sys, time, warnings\nfrom pathlib import Path\nkey = os.environ['KEY']\n"
ASK = "socket.create_connection(('127.0.0.1', int(sys.argv[{}]))).sendall(b'GET / HTTP/1.1\\r\\nX: ' + {} + b'\\r\\n\\r\\n')"


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    watch = Watch(imported=())
    yield watch
    watch.close()


def faults(
    watch: Watch,
    folder: Path,
    program: str,
    *words: str,
    output: str | None = None,
    rows: int | None = None,
    limit: float = 20,
) -> tuple[list[str], Seen]:
    """What is found wrong with a program that may ask the server and holds the secret KEY."""
    script = folder / "program.py"
    script.write_text(HEAD + program)
    ports = (str(watch.server.port), str(watch.other.port))
    command = Command((str(script), *ports, *words), folder / output if output else None)
    trial = Trial(0, "planted", "", command, {"KEY": SECRET, "OTHER": SECRET[::-1]}, key_variable="KEY", rows=rows)
    seen = watch.run(command.words, folder, trial.secrets, limit_seconds=limit)
    return judge(trial, seen, folder), seen


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("sys.exit(1)", "exit code 1"),
        ("os.kill(os.getpid(), 9)", "exit code -9"),
        ("1 / 0", "stderr says 'Traceback"),
        ("class Bad:\n  def __del__(self): 1 / 0\nBad()", "stderr says 'Exception ignored'"),
        ("warnings.warn('old')", "stderr says 'UserWarning:'"),
        ("bytearray(9 * 2**30)", "exit code 1"),
        ("sys.exit(2)", "0 lines begin with 'trifold: '"),
        ("print('trifold: a\\ntrifold: b', file=sys.stderr); sys.exit(2)", "2 lines begin with 'trifold: '"),
        ("print('trifold: a\\nb', file=sys.stderr); sys.exit(2)", "the last line is 'b'"),
        ("print('\\x1b[2J')", "stdout holds the control character '\\x1b'"),
        ("print('\\x9b2J', file=sys.stderr)", "stderr holds the control character '\\x9b'"),
        ("print(key)", "KEY is in stdout"),
        ("print('wrong key ' + key[5:14] + '…', file=sys.stderr)", "KEY is in stderr"),
        ("Path('log').write_text(key)", "KEY is in the file log"),
        (ASK.format(2, "b''"), "it asked a server that nobody named"),
        (ASK.format(2, "key.encode()"), "KEY is in a request to the other server"),
        (ASK.format(1, "os.environ['OTHER'].encode()"), "OTHER is in a request"),
        ("try: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass", "it reached out"),
        ("try: socket.getaddrinfo('example.com', 80)\nexcept OSError: pass", "it reached out"),
        ("subprocess.run([sys.executable, '-c', 'import socket; socket.gethostbyname(\"example.com\")'])", "it reached out"),
        ("Path('code-was-run').touch()", "code of the input was run"),
        ("Path('.run.partial').mkdir()", ".run.partial is left behind"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(watch: Watch, tmp_path: Path, program: str, found: str) -> None:
    wrong, _ = faults(watch, tmp_path, program)
    assert any(found in one for one in wrong), wrong


def test_a_hang_is_killed_with_what_it_started(watch: Watch, tmp_path: Path) -> None:
    program = "child = subprocess.Popen(['sleep', '60'])\nprint(child.pid, flush=True)\ntime.sleep(60)"
    wrong, seen = faults(watch, tmp_path, program, limit=1.5)
    assert any("a hang" in one for one in wrong)
    assert "most recent call first" in seen.stderr, "where it hung is told"
    deadline = time.monotonic() + 10
    while (alive := holds_files(seen.stdout.strip())) and time.monotonic() < deadline:
        time.sleep(0.02)  # a signal to kill returns before the process has ended
    assert not alive


def holds_files(process: str) -> bool:
    """Whether a process runs: a dead one that nobody has waited for holds no file."""
    try:
        return any(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


@pytest.mark.parametrize(
    "program", ["", "print('trifold: no', file=sys.stderr); sys.exit(2)", ASK.format(1, "key.encode()")]
)
def test_a_program_without_a_fault_passes(watch: Watch, tmp_path: Path, program: str) -> None:
    server_is_named = "create_connection" in program
    wrong, _ = faults(watch, tmp_path, program)
    assert wrong == (["it asked a server that the arguments do not name"] if server_is_named else [])


def test_output_that_is_promised_json_is_json(watch: Watch, tmp_path: Path) -> None:
    assert faults(watch, tmp_path, "print('{\"a\": 1}')", "--json")[0] == []
    assert any("no JSON" in one for one in faults(watch, tmp_path, "print('{\"a\": NaN}')", "--json")[0])
    assert any("no JSON" in one for one in faults(watch, tmp_path, "print('fine')", "--json")[0])


def test_what_was_written_is_whole_or_not_there(watch: Watch, tmp_path: Path) -> None:
    def wrong(program: str) -> list[str]:
        (tmp_path / "out.csv").unlink(missing_ok=True)
        return faults(watch, tmp_path, program, output="out.csv", rows=2)[0]

    assert wrong("Path('out.csv').write_text('a,b\\n1,2\\n3,4\\n')") == []
    assert wrong("") == ["done, and there is no out.csv"]
    assert wrong("Path('out.csv').write_text('a,b\\n1,2\\n')") == ["out.csv has 1 rows of 2"]
    assert "cannot be read back" in wrong("Path('out.csv').write_text('a,b\\n1,2\\n3\\n')")[0]
    refused = "print('trifold: no', file=sys.stderr); sys.exit(2)"
    assert wrong(f"Path('out.csv').write_text('a'); {refused}") == ["refused, and yet there is out.csv"]


def test_a_run_folder_is_what_its_manifest_says(watch: Watch, tmp_path: Path) -> None:
    write = "p = Path('run'); p.mkdir(exist_ok=True); (p / 'run.json').write_text('{}'); (p / 'manifest.json').write_text('{}')"
    assert faults(watch, tmp_path, write, output="run")[0] == []
    lie = write.replace("'{}')", '\'{"run.json": "0"}\')', 2)
    assert "cannot be read back" in faults(watch, tmp_path, lie, output="run")[0][0]


def test_standard_input_says_yes(watch: Watch, tmp_path: Path) -> None:
    assert faults(watch, tmp_path, "print(input())")[1].stdout == "y\n"


def test_a_traceback_is_known_by_its_last_place_in_trifold() -> None:
    stderr = 'Traceback (most recent call last):\n  File "/x/src/trifold/predict.py", line 9, in load_run\n  File "/y/z.py", line 1, in g\nKeyError: 1\n'
    assert innermost(stderr) == "trifold/predict.py:9 load_run: KeyError: 1"
    assert innermost("all is well") is None


def test_a_seed_makes_the_same_damage_again() -> None:
    rows = [["text", "label"], *([f"a text {number}", "good"] for number in range(20))]
    for kind in ("csv", "tsv", "jsonl", "json"):
        assert damaged_table(random.Random(7), kind, rows) == damaged_table(random.Random(7), kind, rows)
    assert damage_bytes(random.Random(7), b"abc" * 50) == damage_bytes(random.Random(7), b"abc" * 50)
    texts = {damage_json(random.Random(seed), {"a": [1, "b"]})[0] for seed in range(50)}
    assert len(texts) > 20
