"""A request as a command line: what the command line reads is what was asked for, and no server stands in it."""

from pathlib import Path

from conftest import write_reviews
from trifold.artifact.run_record import read_run_record
from trifold.llm.settings import LlmSettings
from trifold.pipeline.request import Request
from trifold.pipeline.resume import asked_for
from warm_commands import Command


def test_values_and_files_that_look_like_flags_reach_the_methods_of_a_comparison(
    tmp_path: Path, trifold_command: Command
) -> None:
    data = write_reviews(tmp_path / "-x.csv")
    data.write_text(data.read_text().replace("text,label", "text,-y", 1))
    flags = ("--label-column=-y", "--methods", "tfidf", "--output-dir=-out", "--json")
    done = trifold_command("compare", "./-x.csv", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command = read_run_record(tmp_path / "-out" / "tfidf").command
    assert command == "trifold finetune ./-x.csv --method tfidf --label-column=-y"


def test_a_request_is_recorded_without_server_and_key(tmp_path: Path) -> None:
    llm = LlmSettings(llm="openai:http://secret.example/v1#m", api_key_env="SOME_KEY", max_calls=3)
    request = Request(write_reviews(tmp_path / "some.csv"), llm=llm)
    command, asked = request.command("finetune"), asked_for(request, "prompt")
    for told in (command, str(asked)):
        assert "secret.example" not in told
        assert "SOME_KEY" not in told
        assert "#m" in told
    assert "--max-calls 3" in command
    assert "openai:http://secret.example/v1#m" in request.flags()
