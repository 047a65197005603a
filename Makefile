# Every target makes what it needs in .venv; Python 3.11 with venv is all that has to be there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
HANDBOOK := examples/handbook

.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit minimal browser docs bench honesty clean

help:
	@echo "make demo     audit the example handbook (installs the core alone; about a minute the first time)"
	@echo "make test     lint, types, tests and the minimal install (installs everything for development)"
	@echo "make browser  the HTML report in Chromium, with axe-core; screenshots in build/screenshots (needs Chromium, npm)"
	@echo "make docs     the documentation as a site in build/site, links checked"
	@echo "make bench    measure speed against faiss and others, and memory (ten minutes)"
	@echo "make honesty  measure honesty of intervals, false alarms and harm done (hours)"
	@echo "make clean    remove the virtual environments and what was built"

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml constraints.txt | .venv/bin/python
	.venv/bin/python $(PIP_INSTALL) --editable .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	.venv/bin/python $(PIP_INSTALL) --editable ".[dev]"
	@touch $@ .venv/.core

.venv-minimal/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-minimal
	.venv-minimal/bin/python $(PIP_INSTALL) --editable .
	@touch $@

demo: .venv/.core
	@.venv/bin/python $(HANDBOOK)/build.py build/handbook
	.venv/bin/ragdiag audit faiss:build/handbook --queries $(HANDBOOK) \
		--query-vectors $(HANDBOOK)/vectors/queries.minilm.npy --fail-on never

test: lint types unit minimal

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.dev
	.venv/bin/mypy

unit: .venv/.dev
	.venv/bin/python -m pytest -n logical --dist loadfile

# What a user gets from `pip install ragdiag`, without any extra.
minimal: .venv-minimal/.core
	.venv-minimal/bin/ragdiag --help > /dev/null
	.venv-minimal/bin/python tests/minimal_install.py

# Those of `make test` skip what is not on the machine; this fetches axe-core and says what was skipped.
browser: .venv/.dev
	npm install --silent --no-save --prefix build/browser axe-core@4
	.venv/bin/python -m pytest -rs tests/report/test_page_in_browser.py

docs: .venv/.dev
	.venv/bin/properdocs build --strict --quiet
	@echo "build/site/index.html"

# About ten minutes; docs/performance.md carries what it prints.
bench: .venv/.dev
	.venv/bin/python benchmarks/performance.py

# Hours: what the other pages of docs carry.
honesty: .venv/.dev
	.venv/bin/python benchmarks/false_alarms.py
	.venv/bin/python benchmarks/gate.py
	.venv/bin/python benchmarks/interval_honesty.py
	.venv/bin/python benchmarks/recommender_safety.py
	.venv/bin/python benchmarks/similarity_table.py

clean:
	rm -rf .venv .venv-minimal build
