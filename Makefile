# Everything works from a fresh clone: each target makes or refreshes .venv first, and that costs nothing when nothing
# changed. `make run` and `make test` are the two that most people need.

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := features models training serving

COVERAGE := $(addprefix --cov=,$(PACKAGES)) --cov-branch --cov-report=term --cov-report=xml:.cache/coverage.xml

# More arguments for pytest: make test ARGS="-k interner -x"
ARGS ?=

# Test files run side by side, each by one process of a gigabyte or more (one more than there are cores: some wait): make test WORKERS=1 runs them one by one.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 1); [ $$n -lt 4 ] && echo $$((n + 1)) || echo 4)

.DEFAULT_GOAL := help
.PHONY: help coverage setup setup-run setup-bench test-programs run test test-all test-chaos lint format format-check types layers check bench \
        notebooks lock clean distclean

help: ## show this list
	@echo 'make TARGET, where TARGET is one of:'
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
	    printf '  %-14s %s\n' "$$name" "$$what"; done

setup: ## make .venv and install the pinned packages for development (done by every target that needs them)
	@bash tools/setup.sh dev clients notebooks research

setup-run:
	@bash tools/setup.sh

test-programs: ## install what some tests need from Debian's packages: a browser, collectors, tracers (needs root)
	@bash tools/test_programs.sh

setup-bench:
	@bash tools/setup.sh dev clients notebooks research bench

run: setup-run ## serve a demo organisation: weeks of habits, live traffic, and an attack to find (ARGS is handed on)
	@$(BIN)/habitus demo $(ARGS)

test: setup ## every test that needs nothing else and takes seconds
	@mkdir -p .cache
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m 'not slow and not chaos' $(ARGS)

test-all: setup ## the slow tests too
	@mkdir -p .cache
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m 'not chaos' $(ARGS)

coverage: setup ## make test with branch coverage, a third slower: a report, and .cache/coverage.xml
	@$(MAKE) --no-print-directory test ARGS="$(COVERAGE) $(ARGS)"

test-chaos: setup ## kill the service two hundred times and see that nothing is lost (some minutes)
	@mkdir -p .cache
	$(BIN)/python -m pytest -m chaos $(ARGS)

lint: setup ## ruff's rules
	$(BIN)/ruff check .

format: setup ## rewrite the source as ruff formats it, and fix what ruff can fix
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

format-check: setup ## is everything formatted?
	$(BIN)/ruff format --check .

types: setup ## mypy --strict over the four packages
	@mkdir -p .cache
	$(BIN)/mypy --cache-dir .cache/mypy

layers: setup ## who may import whom
	@mkdir -p .cache
	$(BIN)/lint-imports --cache-dir .cache/import-linter

check: format-check lint types layers test ## all of the above, as CI does

bench: setup-bench ## speed and detection quality beside peers: benchmarks/bench_*.py (ARGS is handed on)
	@found=0; for file in benchmarks/bench_*.py; do [ -e "$$file" ] || continue; found=1; \
	    echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done; \
	    [ "$$found" = 1 ] || echo 'benchmarks/ holds no bench_*.py yet'

notebooks: setup ## execute every notebook from top to bottom; one that fails fails the target
	@found=0; for file in notebooks/*.ipynb; do [ -e "$$file" ] || continue; found=1; \
	    echo "== $$file"; $(BIN)/jupyter-execute --timeout=600 "$$file" || exit 1; done; \
	    [ "$$found" = 1 ] || echo 'notebooks/ holds no .ipynb yet'

lock: ## resolve all dependencies anew and rewrite constraints.txt
	@bash tools/lock.sh

clean: ## remove what builds, tests and runs leave behind; .venv stays
	@rm -rf .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* \
	    build dist out
	@find $(PACKAGES) tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## clean, and remove .venv
	@rm -rf $(VENV)
