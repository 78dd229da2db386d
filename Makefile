# Every developer command; CI and the hooks call these. Needs git, make and Python 3.11 to 3.14.

.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
DEMO_DIR ?= var/demo
WORKERS ?= auto
ROWS ?= 200000
ARGS ?=
CODE := app cli.py connectors jobs migrations scripts

# Stamps: what is installed in the virtual environment, and from which lock file.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
SUITE := tests/unit/mapping/json_schema_suite.txt

# The first Python that is new enough; python3 is asked first.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; \
	then command -v "$$name"; break; fi; done)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(RUN) ## Sync the example sources for real, and check every figure
	@OPENREGISTER_DATA_DIR="$${OPENREGISTER_DATA_DIR:-$(DEMO_DIR)}" $(BIN)/python examples/demo.py $(ARGS)

.PHONY: serve
serve: $(RUN) ## Serve the web pages and the JSON API on the demo's data
	@OPENREGISTER_DATA_DIR="$${OPENREGISTER_DATA_DIR:-$(DEMO_DIR)}" $(BIN)/openregister serve $(ARGS)

.PHONY: test
test: $(DEV) ## Run every test (ARGS="-k name", WORKERS=1)
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --durations 10 --ignore tests/browser $(ARGS)
	@# the tutorial in the browser is one story, told in one process; 5: ARGS chose none of it
	@$(BIN)/python -m pytest tests/browser $(ARGS) || test $$? -eq 5

.PHONY: check
check: lint ## Lint, types and the fast tests: run it before every commit
	@$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4 tests/unit -m "not slow" $(ARGS)

.PHONY: matrix
matrix: $(DEV) ## Run every test on each supported Python and PostgreSQL that is found
	@$(BIN)/python scripts/matrix.py $(ARGS)

.PHONY: coverage
coverage: $(DEV) ## Run every test and show which lines none of them reached
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q $(ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

.PHONY: lint
lint: $(DEV) ## Check style, types, layers, dead code, dependencies, spelling and the lock files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg --no-logo
	@$(BIN)/vulture $(CODE)
	@$(BIN)/vulture $(CODE) benchmarks examples tests
	@$(BIN)/deptry .
	@$(BIN)/codespell
	@! grep -nE '://|^--|[[:space:]]@[[:space:]]' requirements.lock requirements-dev.lock \
		|| { echo "The lock files must not hold addresses" >&2; exit 1; }

.PHONY: audit
audit: $(DEV) ## Look for known weaknesses of the locked dependencies (needs the network)
	@$(BIN)/python scripts/audit.py requirements-dev.lock

.PHONY: format
format: $(DEV) ## Put the code into its standard form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(DEV) ## Measure the speed (ROWS=1000000 for the full size, ARGS=--write for the manual)
	@$(BIN)/python -m benchmarks --rows $(ROWS) $(ARGS)

.PHONY: soak
soak: $(DEV) ## Break things on purpose while sources sync; nothing may be lost (3 minutes)
	@$(BIN)/python -m benchmarks.soak $(ARGS)

.PHONY: fuzz
fuzz: $(DEV) ## Send what nobody should to everything that takes input (5 minutes)
	@$(BIN)/python -m benchmarks.fuzz $(ARGS)

.PHONY: docs
docs: $(DEV) ## Build the manual into site/
	@# not --quiet: that would hide the warnings from --strict as well
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.PHONY: reference
reference: $(DEV) ## Write the reference pages of the manual from the code
	@PYTHONPATH=. $(BIN)/python scripts/connector_docs.py
	@PYTHONPATH=. $(BIN)/python scripts/reference.py
	@$(BIN)/python scripts/promises.py

.PHONY: dist
dist: $(DEV) ## Build wheel, source distribution and bill of materials (CycloneDX) into dist/
	@$(BIN)/python scripts/dist.py

.PHONY: lock
lock: $(VENV)/.uv/bin/uv ## Choose new versions of the dependencies and write the lock files
	@$(LOCK) --group build --output-file requirements.lock pyproject.toml $(ARGS)
	@$(LOCK) --group build --group dev --output-file requirements-dev.lock pyproject.toml $(ARGS)

.PHONY: clean
clean: ## Remove what was built, and the virtual environment; keeps var/
	@rm -rf $(VENV) build dist share site *.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .hypothesis .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Existing pins stay unless they have to move; `make lock ARGS=--upgrade` moves them all.
LOCK = $(VENV)/.uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

$(VENV)/.uv/bin/uv: | $(BIN)/python
	@$(PYTHON) -m venv $(VENV)/.uv
	@$(VENV)/.uv/bin/python -m pip install --quiet uv

$(BIN)/python:
ifeq ($(strip $(PYTHON)),)
	@echo "Open Register needs Python 3.11 to 3.14; found $$(python3 --version 2>&1 || true)." >&2
	@echo "Install one of these, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2
	@exit 1
else
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endif

$(RUN): requirements.lock pyproject.toml | $(BIN)/python
	@$(call install,requirements.lock)
	@touch $@

# The development lock holds the whole of the other one.
$(DEV): requirements-dev.lock pyproject.toml $(SUITE) | $(BIN)/python
	@$(call install,requirements-dev.lock)
	@# cases for one test, unpacked by it; an index without source archives costs that test only
	@$(BIN)/python -m pip download --quiet --no-deps --no-binary jsonschema --require-hashes \
		--dest $(VENV)/suites --requirement $(SUITE) \
		|| echo "The JSON-Schema-Test-Suite cannot be fetched; its test is skipped" >&2
	@touch $(RUN) $@

# Hashes make sure that what is installed is what was locked; the package itself is linked to
# this directory, built by the locked setuptools.
define install
echo "Installing $(1)"; \
$(BIN)/python -m pip install --quiet --require-hashes --requirement $(1); \
PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet \
	--no-deps --no-build-isolation --editable .
endef
