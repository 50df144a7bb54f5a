"""Files to a repository of the Hugging Face hub, in one commit: all of them are there, or none."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from trifold.artifact.run_record import RUN
from trifold.errors import SettingsError, first_line
from trifold.formatting import server_address
from trifold.models.backbone_files import reason_of
from trifold.models.hub_models import bars_on_terminals
from trifold.pipeline.shared_run import SharedFile
from trifold.version import VERSION

_TIMEOUT_SECONDS = 20.0
_LOG_IN = "run hf auth login, or set HF_TOKEN to a token with the right to write"
# What the hub itself puts into a new repository.
_OF_THE_HUB = frozenset((".gitattributes",))


@dataclass(frozen=True)
class Published:
    """What is on the hub now.

    Attributes:
        repo: User and name.
        url: Its page.
        commit: The commit.
        private: Whether nobody but the user may see it.
        created: Whether the repository is new.
        removed: Files of an earlier push that are gone.
    """

    repo: str
    url: str
    commit: str
    private: bool
    created: bool
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Hub:
    """The hub, with a token that it knows.

    Attributes:
        api: Its client.
        user: Whose token it is.
    """

    api: Any
    user: str

    def whole(self, repo: str) -> str:
        """The name of a repository with its owner, who is the user where none is named."""
        return repo if "/" in repo else f"{self.user}/{repo}"


def connect(repo: str) -> Hub:
    """Ask the hub whose token it is that is in the environment or was left by a login.

    Args:
        repo: What it is to be asked for, for messages.

    Raises:
        SettingsError: If there is none, it is not known, or the hub cannot be asked.
    """
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if token is None:
        raise SettingsError(f"there is no token for {_host()}: {_LOG_IN}")
    api = HfApi(token=token, library_name="trifold", library_version=VERSION)
    try:
        return Hub(api, str(api.whoami()["name"]))
    except Exception as error:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        _refuse(error, repo, "nothing was published")


def publish(
    hub: Hub,
    files: Sequence[SharedFile],
    repo: str,
    *,
    private: bool | None,
    revision: str | None,
    message: str,
    is_ours: Callable[[str], bool],
) -> Published:
    """Write files into a repository, which is made where there is none, in the place of those of an earlier push.

    Args:
        hub: Where to.
        files: The files.
        repo: User or organisation and name.
        private: Whether nobody else may see a new one; an existing one stays as it is, and must be so where given.
        revision: A branch, made where there is none; the main one where `None`.
        message: Of the commit.
        is_ours: Whether a file of the repository, by its name, is one that an earlier push may have left.

    Raises:
        SettingsError: If the hub cannot be asked, or refuses; nothing is published then.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    api, created, state = hub.api, False, None
    try:
        state = _state(api, repo, revision)
        if state is None:
            api.create_repo(repo, private=private is not False)
            created = True
            state = _state(api, repo, revision)
            assert state is not None
        _require_fit(repo, state, private if not created else None)
        names = {file.name for file in files}
        removed = sorted(name for name in state.names - names if is_ours(name))
        added = [
            CommitOperationAdd(file.name, file.content if isinstance(file.content, bytes) else str(file.content))
            for file in files
        ]
        gone = [CommitOperationDelete(name) for name in removed]
        with warnings.catch_warnings(), bars_on_terminals():
            # Of what the card does not say, which the hub would like to know.
            warnings.simplefilter("ignore")
            done = api.create_commit(
                repo, [*added, *gone], commit_message=message, revision=revision, parent_commit=state.commit
            )
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        _refuse(error, repo, _outcome(hub, repo, revision, state, created=created))
    return Published(repo, f"{api.endpoint}/{repo}", done.oid, state.private, created, tuple(removed))


@dataclass(frozen=True)
class _State:
    """A repository as it is."""

    names: frozenset[str]
    commit: str | None
    private: bool


def _state(api: Any, repo: str, revision: str | None) -> _State | None:
    """What the hub has of that name; `None` where there is none. A branch that is asked for is made."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = api.model_info(repo, revision=revision, timeout=_TIMEOUT_SECONDS)
    except RevisionNotFoundError:
        api.create_branch(repo, branch=revision, exist_ok=True)
        info = api.model_info(repo, revision=revision, timeout=_TIMEOUT_SECONDS)
    except RepositoryNotFoundError as error:
        if error.response.status_code == 403:
            raise
        return None
    return _State(frozenset(one.rfilename for one in info.siblings or ()), info.sha, bool(info.private))


def _outcome(hub: Hub, repo: str, revision: str | None, before: _State | None, *, created: bool) -> str:
    """What became of a push that failed: an answer may get lost after the hub has done what it was asked for."""
    if before is None:
        return "nothing was published"
    try:
        unchanged = hub.api.model_info(repo, revision=revision, timeout=_TIMEOUT_SECONDS).sha == before.commit
    except Exception:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        unchanged = None
    if unchanged:
        return f"nothing was published: {repo} is new and empty" if created else "nothing was published"
    return f"look at {hub.api.endpoint}/{repo}: it may be published all the same"


def _require_fit(repo: str, state: _State, private: bool | None) -> None:
    """Refuse a repository that holds something else than a run, or that is not as the user wants it to be seen.

    Raises:
        SettingsError: If it is such.
    """
    if private is not None and private != state.private:
        seen = "private" if state.private else "public"
        raise SettingsError(
            f"{repo} is {seen} already, and stays so: leave out {'--private' if private else '--public'}, or change "
            f"it in its settings on {_host()}"
        )
    if ".gitignore" in state.names:
        raise SettingsError(f"{repo} has a .gitignore, by which the hub would leave out files: remove it there first")
    others = sorted(_relevant(state.names))
    if others and RUN not in state.names:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise SettingsError(f"{repo} holds something else than a run ({shown}): name another, which is made")


def _relevant(names: Iterable[str]) -> list[str]:
    """The files of a repository but for those that say nothing of what it is for."""
    return [name for name in names if name not in _OF_THE_HUB and not name.upper().startswith(("README", "LICENSE"))]


def _refuse(error: Exception, repo: str, outcome: str) -> NoReturn:
    """Say in a sentence why a push failed, what became of it, and what to do.

    Raises:
        SettingsError: Always.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # An upload that fails is told as the cause of another error.
    causes = [one for one in (error, error.__cause__, error.__context__) if one is not None]
    answer = next((one for one in causes if isinstance(one, HfHubHTTPError) and one.response is not None), None)
    if any(isinstance(one, OfflineModeIsEnabled) for one in causes):
        raise SettingsError("HF_HUB_OFFLINE is set, and publishing needs a connection: unset it, or see --dry-run")
    if isinstance(error, ValueError) and "metadata in README.md" in str(error):
        said = " ".join(str(error).split())
        raise SettingsError(f"{_host()} does not take the card ({said}): correct README.md or --license; {outcome}")
    if isinstance(error, HFValidationError):
        raise SettingsError(f"{repo!r} is no name for a repository: give USER/NAME, of letters, digits, - and _")
    if isinstance(answer, HfHubHTTPError):
        raise SettingsError(f"{_of_status(answer, repo)}; {outcome}")
    reason = reason_of(causes[-1])
    raise SettingsError(f"{_host()} cannot be reached ({reason}): check the connection and try again; {outcome}")


def _of_status(error: Any, repo: str) -> str:
    """What an answer of the hub means, and what to do."""
    status, host = error.response.status_code, _host()
    said = first_line(ValueError(error.server_message or ""))
    if status == 401:
        return f"{host} does not accept the token: {_LOG_IN} (HF_TOKEN comes first where both are there)"
    if status == 403:
        return f"the token may not write to {repo} on {host}: give one that may, or name a repository of your own"
    if status == 404:
        return f"{host} knows no {repo} that you may write to: check the name before the slash"
    if status in (409, 412):
        return f"{repo} was changed by somebody else meanwhile: look at it, and push again"
    if status == 429:
        return f"{host} has had too many requests: wait some minutes, and push again"
    if status >= 500:
        return f"{host} fails at the moment ({status}): try again later"
    return f"{host} refuses ({status}{f', {said}' if error.server_message else ''}): correct that, and push again"


def _host() -> str:
    from huggingface_hub.constants import ENDPOINT

    return server_address(ENDPOINT)
