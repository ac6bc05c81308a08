# Two commands matter: `make up` (a cluster with a first Pod) and `make test` (everything that is tested).
# Each sets up what it needs; `make install` alone is that first step.

PY := .venv/bin/python
SAMPAN := .venv/bin/sampan
TESTS ?= tests

.PHONY: help install install-dev up down check test bench bench-compare bench-growth soak generate lock clean

help:
	@echo "make up       install what is missing, start a cluster, run the first Pod and show it"
	@echo "make down     stop the cluster and leave the host clean"
	@echo "make test     install the test tools and run all tests"
	@echo "make check    ruff, mypy --strict, import-linter"
	@echo "make bench    measure every budget of the design (as root; under 15 minutes)"
	@echo "make bench-compare A=x.json B=y.json   what changed between two runs of it"
	@echo "make bench-growth   how costs grow with sizes, drawn (as root); make soak MINUTES=60   an hour of churn"
	@echo "make generate write the typed objects anew from the definitions of Kubernetes"

install:
	@tools/install.sh run

install-dev: install
	@tools/install.sh dev

up: install
	@$(PY) tools/first_pod.py

down: install
	@$(SAMPAN) down

check: install-dev
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: install-dev
	.venv/bin/pytest $(TESTS)

bench: install-dev
	$(PY) -m bench

bench-compare: install-dev
	$(PY) -m bench compare $(A) $(B)

bench-growth: install-dev
	$(PY) -m bench growth

MINUTES ?= 60
soak: install-dev
	$(PY) -m bench.soak --minutes $(MINUTES)

generate: install-dev
	$(PY) tools/generate.py

lock:
	.venv/bin/uv pip compile -q --universal --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile -q --universal --no-emit-index-url --no-header --no-annotate --group dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist bench/out
