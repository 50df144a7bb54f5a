"""A run to the Hugging Face hub, from where every command takes it by its name."""

from dataclasses import dataclass
from pathlib import Path

from trifold.artifact.hub_runs import run_folder
from trifold.artifact.manifest import MANIFEST, is_of_model
from trifold.artifact.run_folder import best_run, require_folder
from trifold.artifact.run_record import read_run_record
from trifold.errors import require
from trifold.evaluate.hub_card import RESULTS_FILE, hub_card, results_file, task_of, terms
from trifold.events import say
from trifold.json_reading import read_json
from trifold.pipeline.hub_upload import Published, connect, publish
from trifold.pipeline.shared_run import CARD, MAY_BE_SHARED, SharedFile, SharedRun, shared_run


@dataclass(frozen=True)
class Pushed:
    """What `push` did, or would do.

    Attributes:
        run: The run folder.
        files: What others get.
        left_out: Name of what they do not get to the reason.
        published: What is on the hub now; `None` where that was only tried.
        task: What the hub calls its task.
        pairs: Whether it reads pairs of texts.
    """

    run: Path
    files: tuple[SharedFile, ...]
    left_out: dict[str, str]
    published: Published | None
    task: str
    pairs: bool


def push(
    run: Path,
    repo: str,
    *,
    licence: str | None = None,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    with_texts: bool = False,
    dry_run: bool = False,
) -> Pushed:
    """Publish a run on the hub: the model, its figures and a card, in one commit.

    Args:
        run: Run folder; of a comparison, its best run.
        repo: User or organisation and name.
        licence: As the hub names it; that of the run's card where `None`.
        private: Whether nobody else may see a new repository, which is the default.
        revision: Branch; the main one where `None`.
        message: Of the commit.
        with_texts: Whether the user's texts go along, and what tells of single ones.
        dry_run: Whether only to tell what would be done; no connection is opened then.

    Raises:
        ArtifactError: If the run is damaged.
        SettingsError: If a licence is missing, or the hub cannot be asked or refuses; nothing is published then.
    """
    require(all(repo.split("/")) and repo.count("/") < 2, f"the repository {repo!r}", "give USER/NAME")
    require(licence is None or bool(licence.strip()), "--license ''", "give one, such as apache-2.0")
    place = run_folder(run)
    require_folder(place)
    folder = best_run(place)
    read_run_record(folder)
    # The card names the repository, and whose it is.
    hub = None if dry_run else connect(repo)
    whole = repo if hub is None else hub.whole(repo)
    shared = _shared(folder, whole, licence, with_texts=with_texts)
    if (known := terms(shared.record)) is not None:
        say(f"note: {known}")
    files = _with_results(folder, shared)
    published = None
    if hub is not None:
        published = publish(
            hub,
            files,
            whole,
            private=private,
            revision=revision,
            message=message or f"A run of {shared.record.get('method')}, by Trifold",
            is_ours=_is_ours,
        )
    task = task_of(shared.record)
    pairs = bool(shared.record.get("pairs")) or task == "sentence-similarity"
    return Pushed(folder, files, dict(shared.left_out), published, task, pairs)


def _shared(folder: Path, repo: str, licence: str | None, *, with_texts: bool) -> SharedRun:
    return shared_run(
        folder,
        lambda own, record, metrics: hub_card(own, record, metrics, repo=repo, licence=licence, with_texts=with_texts),
        with_texts=with_texts,
    )


def _with_results(folder: Path, shared: SharedRun) -> tuple[SharedFile, ...]:
    """The files and, where a leaderboard of the hub is for them, the results."""
    path = folder / "metrics.json"
    results = results_file(shared.record, read_json(path) if path.is_file() else None)
    return shared.files if results is None else (SharedFile(RESULTS_FILE, results), *shared.files)


def _is_ours(name: str) -> bool:
    """Whether a file of a repository is one that a push may have left."""
    return name in (*MAY_BE_SHARED, CARD, MANIFEST, RESULTS_FILE) or is_of_model(name)
