"""The parts of a page that change while a job runs."""

from trifold.app import views
from trifold.app.pages import Pages


def live_parts(pages: Pages, job: str) -> dict[str, str]:
    """The parts of a page that change while a job runs, each as HTML."""
    workspace = pages.workspace
    record, progress = workspace.jobs.get(job), workspace.progress(job)
    running = record.state == "running"
    parts = {
        "status": pages.html("status.html", words=views.waiting_words(workspace, job, record), record=record),
        "bars": pages.html("bars.html", bars=views.bars(progress) if running else [], running=running),
        "messages": pages.html("messages.html", messages=progress.messages[-40:], record=record),
    }
    if record.kind == "compare":
        parts["curves"] = pages.html("curves.html", curves=views.curves(progress))
        parts["table"] = pages.html("table.html", comparing=views.comparing(workspace, job), record=record)
    return parts
