"""Which metric decides between methods on a request's data, and why it does."""

from trifold.errors import SettingsError
from trifold.formatting import counted
from trifold.pipeline.request import Request, Task
from trifold.statistics.metrics import why_main_score
from trifold.tasks.metric_choice import choose_metric, missing_for


def deciding_metric(request: Request, task: Task) -> str:
    """The name of the metric that decides: that of `--metric`, or else the task's own.

    Raises:
        SettingsError: If the request names one that does not apply, or has no value on the test rows.
    """
    score = choose_metric(request.ranking.metric, task.labels, task.data.examples.label_counts())
    test = task.split.test
    if missing := missing_for(score, task.labels, task.labels.encode(test.labels)):
        raise SettingsError(
            f"--metric {score} has no value on the {counted(len(test), 'test row')}: {missing}; "
            "give a --test-file that has such rows, or take another metric"
        )
    return score


def reason_for_metric(request: Request, task: Task) -> str | None:
    """Why the task's own metric is what it is; `None` where another was asked for."""
    if request.ranking.metric is not None:
        return None
    counts = list(task.data.examples.label_counts().values())
    return why_main_score(counts, multi_label=task.labels.multi_label)
