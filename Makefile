# Everything a newcomer types. Each target does its own set-up: Python 3.11+ with venv and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 8
SEED ?=
READY := $(VENV)/.ready
# Tests wait for servers most of the time; each worker has its own.
WORKERS ?= 2
SCENARIO ?= steady
TAG ?= headrace:dev
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): requirements.lock pyproject.toml hatch_build.py $(wildcard services/headrace/*/*.pyx services/headrace/*/*.pxd)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headrace needs Python 3.11 or newer: make PYTHON=python3.11 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m headrace.avro.functions
	@touch $@

setup: $(READY) ## the virtual environment, from the lock file

demo: $(READY) ## a day of real orders through real Kafka and Postgres, with kills, ending in a verified report
	$(BIN)/headrace demo

test: $(READY) ## all tests, on real servers that the tests start and stop
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

chaos: chaos-run $(READY) ## everything breaks under load, MINUTES long, as SEED says; then the longer fault tests
	$(BIN)/python -m pytest -m chaos $(TESTS)

chaos-run: $(READY) ## the first half of it alone: make chaos-run MINUTES=8 SEED=42
	$(BIN)/python -m headrace_load.chaos --minutes "$(MINUTES)" --seed "$(SEED)"

check: $(READY) ## format, lint, types, schemas, what deploy/ holds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/headrace schemas check
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/python -m headrace_load.manifests check

bench: $(READY) ## rates and CPU per record, as ratios to raw librdkafka in the same run
	$(BIN)/python -m headrace_load.bench

bench-check: $(READY) ## fails when a record costs a quarter more CPU than is recorded, beside raw librdkafka
	$(BIN)/python -m headrace_load.bench --quick --check

load: $(READY) ## a load on servers of its own, verified, with a report: make load SCENARIO=steady
	$(BIN)/headrace load run $(SCENARIO) --local

dashboards: $(READY) ## write deploy/grafana/dashboards anew, from load/headrace_load/dashboards and docs/runbooks
	$(BIN)/python -m headrace_load.dashboards

format: $(READY) ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet
lock: ## write the lock files anew (needs uv on the PATH); the image's have no other versions than requirements.lock
	$(COMPILE) pyproject.toml --extra dev --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra registry --constraint requirements.lock --output-file deploy/requirements.lock
	$(COMPILE) pyproject.toml --extra load --extra registry --constraint requirements.lock --output-file deploy/load.lock
	printf 'hatchling\ncython\nsetuptools\n' | $(COMPILE) - --constraint requirements.lock --output-file deploy/build.lock

deploy-test: $(READY) ## the dev overlay on the cluster that KUBECONFIG names, or that HEADRACE_KUBE starts, under load, verified
	$(BIN)/python -m headrace_load.cluster

manifests: $(READY) ## write and build deploy/kubernetes anew from its templates and the application (needs kubectl)
	$(BIN)/python -m headrace_load.manifests write

image: ## the container image headrace:dev; deploy/image.sh says what it takes from the environment
	deploy/image.sh $(TAG)

clean: ## remove what the targets made here
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .headrace

.PHONY: help setup demo test chaos chaos-run check bench bench-check load dashboards format lock image manifests deploy-test clean
