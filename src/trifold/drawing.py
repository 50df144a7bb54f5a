"""What surrounds the drawing of figures and pages: they may fail, and no text in them is read as anything but text."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from trifold.errors import first_line
from trifold.events import say


@contextmanager
def drawing(what: str) -> Iterator[None]:
    """Inside, a figure or a page is drawn of results that are safe: if it fails, that is said, and work goes on.

    Dollar signs in labels begin no formula. That a font lacks a character, or that a figure is too small for its
    labels, shows in the figure and is told nowhere else.

    Args:
        what: For the message, such as `confusion.png`.
    """
    import matplotlib as mpl

    try:
        with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (KeyboardInterrupt, SystemExit):
        say(f"stopped while {what} was being made; everything else is kept: the same command with --resume makes it")
        raise
    except Exception as error:  # noqa: BLE001 - whatever breaks a picture, hours of training must not go with it
        reason = first_line(error)
        say(f"note: {what} cannot be made ({type(error).__name__}: {reason[:200]}); everything else is kept")
