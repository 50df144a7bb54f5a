"""The command `push`: a run to the Hugging Face hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.output import print_json, print_table, say_next, some_text
from trifold.cli.output import print_text as print

if TYPE_CHECKING:
    from trifold.pipeline.push import Pushed


def push(
    run: Path,
    repo: str,
    /,
    *,
    license: str | None = None,  # noqa: A002 - as the flag is called
    private: Annotated[bool | None, Parameter(negative="--public")] = None,
    revision: Annotated[str | None, Parameter(alias="--branch")] = None,
    message: str | None = None,
    with_texts: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Publish a run on the Hugging Face hub: the model, its figures and a card, in one commit.

    Whoever may read it uses it by its name: trifold predict USER/NAME --text TEXT. Your texts stay here, with all that
    tells of single ones (predictions.csv, errors.csv, report.html, …), and so do the names of your files and folders:
    data are named by their SHA-256. The token is that of hf auth login, or in HF_TOKEN.

    Args:
        run: Run folder of finetune, compare, export or pretrain, or what TextClassifier.save wrote.
        repo: USER/NAME or ORGANISATION/NAME; it is made where it is not there yet.
        license: Licence that others get it under, such as apache-2.0, mit or cc-by-4.0; needed unless the run's
            README.md names one at its head.
        private: Whether nobody else may see a new repository; it is private unless you say --public. One that is there
            already stays as it is.
        revision: Branch to write to, made where it is not there yet; the main one by default.
        message: What the commit is called.
        with_texts: Publish your texts as well: predictions, mistakes, the report, examples in a prompt.
        dry_run: Show every file that would be published, and what would not; open no connection.
        json: Print JSON instead.
    """
    from trifold.pipeline.push import push as run_push

    found = run_push(
        run,
        repo,
        licence=license,
        private=private,
        revision=revision,
        message=message,
        with_texts=with_texts,
        dry_run=dry_run,
    )
    if json:
        print_json(_as_dict(found))
        return
    print_table([{"file": file.name, "bytes": f"{file.size:,}"} for file in found.files])
    for name, reason in found.left_out.items():
        print(f"not {name}: it {reason}")
    if found.published is None:
        print(
            f"Nothing was published: these files would go to {repo}, as {'public' if private is False else 'private'}."
        )
        return
    done = found.published
    print(f"\n{'private' if done.private else 'PUBLIC'}, at commit {done.commit[:12]}")
    print(done.url)
    say_next(*_use(found, done.repo if revision is None else f"{done.repo}@{revision}"))


def _use(found: "Pushed", name: str) -> tuple[str, ...]:
    """A command that uses what was published."""
    if found.task == "fill-mask":
        return ("fill-mask", name, "… [MASK] …")
    if found.task == "text-generation":
        return ("generate", name, "…")
    return ("predict", name, *some_text(pair=found.pairs))


def _as_dict(found: "Pushed") -> dict[str, object]:
    return {
        "run": str(found.run),
        "files": [{"name": file.name, "bytes": file.size} for file in found.files],
        "left_out": found.left_out,
        "published": found.published,
    }
