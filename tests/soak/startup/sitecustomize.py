"""Python runs this at its start where this folder is on its path: processes that a command starts are watched, too."""

import os

from soak.guarded import WITNESS, watch

if WITNESS in os.environ:
    watch()
