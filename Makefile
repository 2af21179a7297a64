# Every command of the project; `make help` lists them.

ifneq (,$(wildcard .env))
include .env
# Compose reads empty ones itself: `make up` may fill them in while this runs.
export $(shell sed -nE 's/^([A-Z_]+)=.+/\1/p' .env)
endif

MODEL  ?= transformer_temperature
SOURCE ?=
CONFIG ?=
JOB    ?= train
PORT   ?=
UI_PORT ?=

# All state lies below one directory; a DAGSTER_HOME or BENTOML_HOME of yours is not touched.
override ML_ASSETS_HOME := $(abspath $(or $(ML_ASSETS_HOME),var))
override DAGSTER_HOME := $(ML_ASSETS_HOME)/dagster
override BENTOML_HOME := $(ML_ASSETS_HOME)/bentoml
export ML_ASSETS_HOME DAGSTER_HOME BENTOML_HOME
export MPLCONFIGDIR := $(ML_ASSETS_HOME)/matplotlib
export BENTOML_DO_NOT_TRACK := true
export DAGSTER_DISABLE_TELEMETRY := true
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
# Feast's SQLite store keeps local time, which summer time would shift.
export TZ := UTC
# Arrow gives memory back when it is done with it.
export ARROW_DEFAULT_MEMORY_POOL := system

PYTHON ?= python3.11
BIN := .venv/bin
LOCK := requirements/dev.txt
READY := .venv/.ready
LOCKED := bootstrap train train-cuda serve serve-sklearn release dagster mlflow dev

OPTIONS = $(if $(SOURCE),--source "$(SOURCE)") $(if $(CONFIG),--config "$(CONFIG)")

.DEFAULT_GOAL := help

##@ Use

.PHONY: run
run: setup ## Train, evaluate and promote MODEL (from SOURCE), and ask it one forecast
	@$(BIN)/python -m commands run $(MODEL) $(OPTIONS)

.PHONY: tune
tune: setup ## Search better parameters for MODEL
	@$(BIN)/python -m commands run $(MODEL) --job tune $(OPTIONS)

.PHONY: evaluate
evaluate: setup ## Measure the newest version of MODEL beside production, on SOURCE
	@$(BIN)/python -m commands run $(MODEL) --job evaluate $(OPTIONS)

.PHONY: ingest
ingest: setup ## Write the latest features of MODEL to the online store
	@$(BIN)/python -m commands run $(MODEL) --job ingest $(OPTIONS)

.PHONY: ui
ui: setup ## Open the Dagster UI on the same state (UI_PORT, default 3070)
	@$(BIN)/python -m commands ui $(if $(UI_PORT),--port $(UI_PORT))

.PHONY: mlflow-ui
mlflow-ui: setup ## Open MLflow's UI on the same state (port 5000)
	@$(BIN)/mlflow server --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///$(ML_ASSETS_HOME)/mlflow.db --artifacts-destination $(ML_ASSETS_HOME)/mlartifacts

.PHONY: serve
serve: setup ## Serve the promoted MODEL with BentoML (PORT, default 8000)
	@$(BIN)/python -m commands serve $(MODEL) $(if $(PORT),--port $(PORT))

##@ The platform in containers

COMPOSE := docker compose
define NEEDS_PLATFORM
@test -f .env -o -n "$$POSTGRES_PASSWORD" || { echo "the platform is not set up here; start it with: make up" >&2; exit 2; }
endef
PROJECT_VERSION := $(shell sed -nE 's/^version = "(.*)"$$/\1/p' pyproject.toml)
export ML_ASSETS_VERSION ?= $(PROJECT_VERSION)
.PHONY: up
up: configured images $(if $(SIGNING_KEY),,keys) ## Build the images and start the platform (UI on port 3070)
	@$(COMPOSE) up --detach --wait
	@echo "Dagster http://localhost:$(or $(DAGSTER_PORT),3070)  MLflow http://localhost:$(or $(MLFLOW_PORT),5000)  registry localhost:$(or $(REGISTRY_PORT),5050)"
	@echo "Next: make train MODEL=$(MODEL)"

.PHONY: configured
configured: ## Write what .env still needs: passwords, the group of the engine's socket
	@docker/configure

.PHONY: keys
keys: configured images ## Make a development key to sign releases with, unless there is one
	@docker/keys

.PHONY: images
images: ## Build all images, each within its size budget
	@docker/build

docker-build-%: ## Build one image: train, serve, release, dagster, mlflow, dev (TAG, PLATFORM)
	@docker/build -i $* $(if $(TAG),-t $(TAG)) $(if $(PLATFORM),-p $(PLATFORM))

JOBS := train evaluate tune ingest

.PHONY: train
train: ## Run JOB of MODEL (train, evaluate, tune, ingest) in a container of its own, and follow it
	@$(if $(filter $(JOB),$(JOBS)),,echo "there is no job '$(JOB)'; the jobs are: $(JOBS)" >&2; exit 2)
	@$(if $(CONFIG),test -f "$(CONFIG)" || { echo "there is no file $(CONFIG)" >&2; exit 2; })
	$(NEEDS_PLATFORM)
	@$(COMPOSE) run --rm --no-deps $(if $(CONFIG),--volume "$(abspath $(CONFIG)):/app/run.yaml:ro") $(JOB) \
	  python -m commands launch $(MODEL) --job $(JOB) $(if $(SOURCE),--source "$(SOURCE)") $(if $(CONFIG),--config run.yaml)

# `make release`, `make deliver`, `make rollback` launch a run in a container of its own, and follow it.
ON_VERSION := $(COMPOSE) run --rm --no-deps train python -m commands
ASKED_BY := $(shell id -un)@$(shell hostname)

.PHONY: release
release: ## Release VERSION of MODEL again (default: that in production)
	$(NEEDS_PLATFORM)
	@$(ON_VERSION) release $(MODEL) $(if $(filter command%,$(origin VERSION)),--version "$(VERSION)")

.PHONY: deliver
deliver: ## Deliver what is in production of MODEL to the customers who have not got it
	$(NEEDS_PLATFORM)
	@$(ON_VERSION) deliver $(MODEL)

.PHONY: rollback
rollback: ## Take production and customers of MODEL back to version TO (REASON="...")
	$(NEEDS_PLATFORM)
	@$(if $(TO),,echo "say where to: make rollback MODEL=$(MODEL) TO=v1" >&2; exit 2)
	@$(ON_VERSION) rollback $(MODEL) --to "$(TO)" --who "$(ASKED_BY)" $(if $(REASON),--reason="$$REASON")

# The ledger of the platform, where there is one, else that of the state directory.
ON_PLATFORM := $(wildcard .env)$(POSTGRES_PASSWORD)
AS_JSON := $(if $(JSON),--json)
READ_LEDGER := $(if $(ON_PLATFORM),$(COMPOSE) run --rm --no-deps $(if $(JSON),-T) ledger python,$(BIN)/python) -m commands

.PHONY: ledger
ledger: $(if $(ON_PLATFORM),,setup) ## Show every promotion, release, delivery and rollback (JSON=1 for machines)
	@$(READ_LEDGER) ledger $(AS_JSON)

.PHONY: ledger-verify
ledger-verify: $(if $(ON_PLATFORM),,setup) ## Find any line of the ledger that was edited, removed or moved (LINE=12:ab01... must be there)
	@$(READ_LEDGER) ledger --verify $(if $(LINE),--line "$(LINE)") $(AS_JSON)

.PHONY: lineage
lineage: $(if $(ON_PLATFORM),,setup) ## Tell where the image DIGEST came from and who has it, or what was made of DATA
	@$(if $(DIGEST)$(DATA),,echo "say of what: make lineage DIGEST=sha256:... or DATA=..." >&2; exit 2)
	@$(READ_LEDGER) lineage $(if $(DIGEST),--digest "$(DIGEST)") $(if $(DATA),--data "$(DATA)") $(AS_JSON)

.PHONY: down
down: ## Stop the platform and its runs; its data stays
	$(NEEDS_PLATFORM)
	@$(COMPOSE) stop --timeout 5 daemon
	@docker ps --quiet --filter label=ml-assets.platform=$(or $(PLATFORM_NAME),ml-assets) | xargs -r docker stop --time 10 >/dev/null
	@$(COMPOSE) --profile '*' down --remove-orphans

.PHONY: test-docker
test-docker: setup images ## Run the tests that need a Docker Engine
	@$(BIN)/pytest -m docker tests/docker -n 2 --dist loadfile

##@ Develop

.PHONY: test
test: setup ## Run all tests that need no Docker
	@$(BIN)/pytest -m "not docker" -n auto --dist loadfile

.PHONY: check
check: setup ## Format, lint, types, import floors, YAML
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy ml_assets serving commands benchmarks run_containers platform_storage
	@$(BIN)/lint-imports
	@# dg keeps one file for each component type, so each is checked on its own
	@for model in ml_assets/defs/*/; do $(BIN)/dg check yaml $$model || exit 1; done

.PHONY: format
format: setup ## Format and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: benchmark
benchmark: setup ## Measure every phase of the pipeline
	@$(BIN)/python -m benchmarks.pipeline

.PHONY: lock
lock: setup ## Resolve the lock files under requirements/ anew
	@for name in $(LOCKED); do \
	  $(BIN)/uv pip compile requirements/$$name.in -o requirements/$$name.txt --python-version 3.11 \
	    --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet $(UPGRADE); \
	done

##@ Set up

.PHONY: setup
setup: $(READY) $(DAGSTER_HOME)/dagster.yaml ## Make the environment .venv and the state directory

$(READY): $(LOCK) requirements/bootstrap.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "CPython 3.11 is needed, and $(PYTHON) is not on the PATH. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes $(LOCK) requirements/bootstrap.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: commands/embedded/dagster.yaml
	@mkdir -p $(@D) && cp $< $@.$$$$ && mv $@.$$$$ $@

.PHONY: clean
clean: ## Remove .venv (state stays)
	@rm -rf .venv

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z%-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables: MODEL=%s SOURCE=path, glob or URL  CONFIG=run.yaml\n' '$(MODEL)'
