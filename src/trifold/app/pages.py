"""How pages are made, and how what their forms send is read."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from trifold.app.guard import require_token
from trifold.app.workspace import Workspace
from trifold.web.forms import read_form
from trifold.web.rendering import render

PACKAGE = "trifold.app"
# Without a referrer, forms are sent without the origin by which they are told from those of other sites.
_HEADERS = {"Referrer-Policy": "same-origin"}
# From a file to a file with labels.
STEPS = ("File", "Check", "Methods", "Compare", "Use")


@dataclass(frozen=True)
class Pages:
    """The pages of an app.

    Attributes:
        workspace: What they show.
    """

    workspace: Workspace

    def page(self, template: str, title: str, step: str = "", status: int = 200, **values: object) -> HTMLResponse:
        """A page from a template and what it names."""
        return HTMLResponse(self.html(template, title=title, step=step, **values), status, _HEADERS)

    def html(self, template: str, **values: object) -> str:
        """A page, or a part of one."""
        return render(PACKAGE, template, root="/", steps=STEPS, token=self.workspace.token, **values)

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that bears the token.

        Raises:
            Refusal: If it does not, or is no form.
        """
        found = await read_form(request)
        require_token(found.pop("token", ""), self.workspace.token)
        return found


def to(path: str) -> RedirectResponse:
    """Go on with a page of this app, by a request of its own."""
    return RedirectResponse(path, 303)
