"""The page of a job, and the parts of it that change while the job runs."""

from starlette.responses import HTMLResponse

from trifold.app import commands, views
from trifold.app.pages import Pages
from trifold.app.record import JobRecord


def job_page(
    pages: Pages, template: str, title: str, step: str, number: str, record: JobRecord, **values: object
) -> HTMLResponse:
    """A page that shows how far a job is, and the command that does the same.

    Args:
        pages: How pages are made.
        template: Of this one.
        title: Its title.
        step: Which of `STEPS` it belongs to; empty for none.
        number: Of the job.
        record: Of the job.
        values: What else the template names.
    """
    live, command = live_parts(pages, number), commands.shown(record)
    return pages.page(template, title, step, 200, job=number, record=record, live=live, command=command, **values)


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
