from threadpoolctl import threadpool_info

from trifold.runtime import single_threaded_scipy


def blas_threads() -> dict[str, int]:
    return {
        library["filepath"]: library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_scipy_uses_one_thread_within_the_context_and_what_it_used_behind_it():
    with single_threaded_scipy():
        inside = blas_threads()
    before = blas_threads()
    assert any("scipy.libs" in path for path in inside)
    assert inside == {path: 1 if "scipy.libs" in path else count for path, count in before.items()}
    with single_threaded_scipy():
        assert blas_threads() == inside
    assert blas_threads() == before
