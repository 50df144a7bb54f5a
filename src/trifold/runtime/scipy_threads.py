"""The threads of SciPy's linear algebra."""

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def single_threaded_scipy() -> AbstractContextManager[object]:
    """A context in which SciPy's matrix products use one thread; NumPy's are as they were.

    Each brings threads of its own, which wait by spinning. A descent that goes from one to the other thousands of
    times spends its time on that waiting: 12 times slower on two cores (benchmarks/LOG.md).
    """
    limited: AbstractContextManager[object] = _scipy_blas().limit(limits=1)
    return limited


@cache
def _scipy_blas() -> "ThreadpoolController":
    """Found once, as that takes milliseconds; nothing where NumPy and SciPy share one library."""
    import scipy.linalg  # noqa: F401 - or its library would be missed
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController()
    own = [one.filepath for one in found.lib_controllers if "scipy.libs" in one.filepath]
    return found.select(filepath=own)
