"""What the forms of pages send."""

from urllib.parse import parse_qs

from starlette.requests import Request

from trifold.web.refusals import Refusal

_MOST_FIELDS = 100
_FORM = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of one that is there several times, the last.

    Raises:
        Refusal: If the body is none.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refusal(415, f"this is for the page's form: send {_FORM}")
    try:
        body = (await request.body()).decode("ascii")
        found = parse_qs(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Refusal(422, "the form cannot be read: send its fields as UTF-8") from None
    return {name: values[-1] for name, values in found.items()}
