"""The public API, spelt out: nothing else leaks, and importing it has no effect."""

import subprocess
import sys

import trifold


def test_nothing_else_is_public() -> None:
    assert trifold.__all__ == ["TextClassifier", "TextEmbedder", "TrifoldError", "__version__", "explain"]
    assert trifold.__all__ == sorted(trifold.__all__)
    for name in trifold.__all__:
        assert getattr(trifold, name)


def test_importing_needs_neither_pytorch_nor_scikit_learn() -> None:
    code = "import sys, trifold; sys.exit(bool({'torch', 'sklearn', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
