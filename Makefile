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

# Where .env sets up a platform, commands are about it; HERE=1 means this machine's own state.
ON_PLATFORM := $(if $(HERE),,$(IMAGES))

OPTIONS = $(if $(SOURCE),--source "$(SOURCE)") $(if $(CONFIG),--config "$(CONFIG)")

.DEFAULT_GOAL := help

##@ Use

.PHONY: run
run: setup ## Train, evaluate and promote MODEL (from SOURCE), and ask it one forecast
	@$(BIN)/python -m commands run $(MODEL) $(OPTIONS)

.PHONY: tune evaluate ingest
tune: ## Search better parameters for MODEL
evaluate: ## Measure the newest version of MODEL beside production, on SOURCE
ingest: ## Write the latest features of MODEL to the online store
ifdef ON_PLATFORM
tune evaluate ingest:
	@$(MAKE) --no-print-directory train JOB=$@
else
tune evaluate ingest: setup
	@$(BIN)/python -m commands run $(MODEL) --job $@ $(OPTIONS)
endif

.PHONY: ui
ui: setup ## Open the Dagster UI on the same state (UI_PORT, default 3070)
	@$(BIN)/python -m commands ui $(if $(UI_PORT),--port $(UI_PORT))

.PHONY: mlflow-ui
mlflow-ui: setup ## Open MLflow's UI on the same state (port 5000)
	@$(BIN)/mlflow server --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///$(ML_ASSETS_HOME)/mlflow.db --artifacts-destination $(ML_ASSETS_HOME)/mlartifacts

.PHONY: serve
serve: ## Serve the promoted MODEL: on the platform behind nginx, else here (PORT, default 8000)
ifdef ON_PLATFORM
serve:
	$(NEEDS_RUNNING)
	@image=$$($(COMPOSE) run --rm --no-deps -T train python -m commands image $(MODEL)) && docker/configure SERVICE_IMAGE="$$image"
	@# Where Feast's server runs, the service beside it gets the new image too.
	@env -u SERVICE_IMAGE docker/up serve $$($(ALL) ps --quiet api-feast | sed '1!d; s/.*/feast/')
	@echo "$(MODEL) answers at http://localhost:$(or $(API_PORT),8080), a page with an example to send, and https://localhost:$(or $(API_TLS_PORT),8443)  MLflow http://localhost:$(or $(MLFLOW_UI_PORT),80)"
else
serve: setup
	@$(BIN)/python -m commands serve $(MODEL) $(if $(PORT),--port $(PORT))
endif

##@ The platform in containers

COMPOSE := docker compose
define NEEDS_PLATFORM
@test -n "$(IMAGES)" || { echo "the platform is not set up here; start it with: make up" >&2; exit 2; }
endef
define NEEDS_RUNNING
$(NEEDS_PLATFORM)
@test -n "$$($(COMPOSE) ps --quiet mlflow)" || { echo "the platform is down; start it with: make up$(if $(filter serve,$@),; what make run made here is served with HERE=1)" >&2; exit 2; }
endef
PROJECT_VERSION := $(shell sed -nE 's/^version = "(.*)"$$/\1/p' pyproject.toml)
export ML_ASSETS_VERSION ?= $(PROJECT_VERSION)
# Where .env names another COMPOSE_FILE or none, images are pulled.
FROM_SOURCE := $(if $(IMAGES),$(findstring docker-compose.local.yml,$(COMPOSE_FILE)),yes)
NEW_PLATFORM := $(if $(FROM_SOURCE),images) $(if $(SIGNING_KEY),,keys)
.PHONY: up dev dev-postgres dev-full monitoring
up: configured $(NEW_PLATFORM) ## Build the images and start the platform on PostgreSQL: Dagster, MLflow, registry
	@docker/up
	@$(ADDRESSES)
dev: DATABASE_OF_NEW := sqlite
dev: configured $(NEW_PLATFORM) ## The same on SQLite, watched: Prometheus, Grafana, node exporter
	@docker/up dev
	@$(ADDRESSES)
dev-postgres: configured $(NEW_PLATFORM) ## The same on PostgreSQL
	@docker/up -d postgres dev
	@$(ADDRESSES)
dev-full: configured $(NEW_PLATFORM) ## Everything: with nginx, the service and Feast's server too
	@docker/up -d postgres full
	@$(ADDRESSES)
monitoring: configured $(NEW_PLATFORM) ## Watch the platform that runs: Prometheus, Alertmanager, Grafana
	@docker/up monitoring
	@$(ADDRESSES)

define ADDRESSES
echo "Dagster http://localhost:$(or $(DAGSTER_PORT),3070)$(if $(FROM_SOURCE),  MLflow http://localhost:$(or $(MLFLOW_PORT),5000))  registry localhost:$(or $(REGISTRY_PORT),5050)$(if $(filter dev% monitoring,$@),  Grafana http://localhost:$(or $(GRAFANA_PORT),3000) (GRAFANA_PASSWORD in .env)$(if $(FROM_SOURCE),  Prometheus http://localhost:$(or $(PROMETHEUS_PORT),9090)))"
echo "Next: make train MODEL=$(MODEL)"
endef

.PHONY: configured
configured: ## Write what .env still needs: passwords, the group of the engine's socket
	@docker/configure DATABASE=$(or $(DATABASE_OF_NEW),postgres)

.PHONY: keys
keys: configured $(if $(FROM_SOURCE),images) ## Make a development key to sign releases with, unless there is one
	@docker/keys

# A command in the training image, beside the platform; most launch a run and follow it.
COMMAND := $(COMPOSE) run --rm --no-deps train python -m commands

JOBS := train evaluate tune ingest

.PHONY: train
train: ## Run JOB of MODEL (train, evaluate, tune, ingest) in a container of its own, and follow it
	@$(if $(filter $(JOB),$(JOBS)),,echo "there is no job '$(JOB)'; the jobs are: $(JOBS)" >&2; exit 2)
	@$(if $(CONFIG),test -f "$(CONFIG)" || { echo "there is no file $(CONFIG)" >&2; exit 2; })
	$(NEEDS_RUNNING)
	@$(COMPOSE) run --rm --no-deps $(if $(CONFIG),--volume "$(abspath $(CONFIG)):/app/run.yaml:ro") $(JOB) \
	  python -m commands launch $(MODEL) --job $(JOB) $(if $(SOURCE),--source "$(SOURCE)") $(if $(CONFIG),--config run.yaml)

##@ Releases of the platform

ASKED_BY := $(shell id -un)@$(shell hostname)

.PHONY: release
release: ## Release VERSION of MODEL again (default: that in production)
	$(NEEDS_RUNNING)
	@$(COMMAND) release $(MODEL) $(if $(filter command%,$(origin VERSION)),--version "$(VERSION)")

.PHONY: deliver
deliver: ## Deliver what is in production of MODEL to the customers who have not got it
	$(NEEDS_RUNNING)
	@$(COMMAND) deliver $(MODEL)

.PHONY: rollback
rollback: ## Take production and customers of MODEL back to version TO (REASON="...")
	$(NEEDS_RUNNING)
	@$(if $(TO),,echo "say where to: make rollback MODEL=$(MODEL) TO=v1" >&2; exit 2)
	@$(COMMAND) rollback $(MODEL) --to "$(TO)" --who "$(ASKED_BY)" $(if $(REASON),--reason="$$REASON")

# The ledger of the platform, where there is one, else that of the state directory.
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

##@ Look after the platform

ALL := $(COMPOSE) --profile '*'

.PHONY: status
status: ## Show all services, whether they are healthy, and the runs' containers
	$(NEEDS_PLATFORM)
	@$(ALL) ps --all --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'
	@docker ps --filter label=ml-assets.platform=$(or $(PLATFORM_NAME),ml-assets) --format 'run {{.Names}}\t{{.Status}}'

.PHONY: logs logs-mlflow logs-serve
logs: ## Follow the logs of all services, or of SERVICE
	$(NEEDS_PLATFORM)
	@$(ALL) logs --follow --tail 100 $(SERVICE)
logs-mlflow: ## Follow MLflow's
	@$(MAKE) --no-print-directory logs SERVICE=mlflow
logs-serve: ## Follow those of the service and of nginx
	@$(MAKE) --no-print-directory logs SERVICE="api nginx"

# What needs no .venv takes any Python 3.11 or newer.
ANY_PYTHON := $(or $(shell command -v $(PYTHON)),python3)

.PHONY: doctor
doctor: ## Find what is wrong, and the command that mends it (PROFILES="serve monitoring", JSON=1)
	@$(ANY_PYTHON) -m operations.doctor $(foreach one,$(PROFILES),--profile $(one)) $(AS_JSON)

.PHONY: backup
backup: ## Write all state into a new directory below TO (default: backups), while the platform works
	$(NEEDS_PLATFORM)
	@$(ANY_PYTHON) -m operations.backup $(if $(TO),--to "$(TO)")

.PHONY: restore
# A platform that has no database yet gets that of the backup.
restore: DATABASE_OF_NEW = $(shell sed -nE 's/.*"database": *"([a-z]+)".*/\1/p' "$(FROM)/manifest.json" 2>/dev/null)
restore: $(if $(shell test -f "$(FROM)/manifest.json" && echo yes),configured $(if $(FROM_SOURCE),images)) ## Verify the backup FROM, and put it into an empty platform
	@$(if $(FROM),,echo "say which: make restore FROM=backups/..." >&2; exit 2)
	@$(ANY_PYTHON) -m operations.restore "$(FROM)"

.PHONY: registry-list
registry-list: ## List MLflow's registered models, their versions and aliases
	$(NEEDS_RUNNING)
	@$(COMMAND) models

.PHONY: down
down: ## Stop the platform and its runs; its data stays
	$(NEEDS_PLATFORM)
	@$(COMPOSE) stop --timeout 5 daemon
	@docker ps --quiet --filter label=ml-assets.platform=$(or $(PLATFORM_NAME),ml-assets) | xargs -r docker stop --time 10 >/dev/null
	@$(COMPOSE) --profile '*' down --remove-orphans

.PHONY: down-volumes
down-volumes: ## Stop the platform and delete ALL its data; asks first (YES=1 does not)
	$(NEEDS_PLATFORM)
	@test -n "$(YES)" || { printf 'This deletes every run, model and release of %s. Type that name to go on: ' "$(or $(PLATFORM_NAME),ml-assets)"; \
	  read -r answer && test "$$answer" = "$(or $(PLATFORM_NAME),ml-assets)" || { echo "nothing was deleted" >&2; exit 2; }; }
	@$(MAKE) --no-print-directory down
	@$(ALL) down --volumes --remove-orphans
	@# The next platform may choose its database, and serves nothing yet.
	@[ ! -f .env ] || { umask 077; sed '/^DATABASE=/d; /^SERVICE_IMAGE=/d' .env >.env.new && mv .env.new .env; }

##@ Images

.PHONY: images docker-build
images: ## Build all images, each within its size budget
	@docker/build
docker-build: images ## The same, by the name of other setups

docker-build-%: ## Build one: train, serve, serve-sklearn, release, dagster, mlflow, dev (TAG, PLATFORM)
	@docker/build -i $* $(if $(TAG),-t $(TAG)) $(if $(PLATFORM),-p $(PLATFORM))

.PHONY: docker-shell-train docker-shell-serve
docker-shell-train: ## Open a shell in the training image, with git and pytest, on this directory
	$(NEEDS_PLATFORM)
	@docker image inspect $(IMAGES)-dev:$(ML_ASSETS_VERSION) >/dev/null 2>&1 || docker/build -i dev
	@$(COMPOSE) run --rm dev
docker-shell-serve: ## Open a shell in the image that is served (or the one below it), cut off from all networks
	@docker run --rm --interactive --tty --network none --read-only --tmpfs /tmp --cap-drop ALL --entrypoint sh \
	  $(or $(SERVICE_IMAGE),$(or $(IMAGES),ml-assets)-serve:$(ML_ASSETS_VERSION))

# The names of other setups.
.PHONY: docker-train docker-eval docker-serve docker-train-dev
docker-train: train ## The same as train
docker-eval: evaluate ## The same as evaluate
docker-serve: serve ## The same as serve
docker-train-dev: docker-shell-train ## The same as docker-shell-train

.PHONY: docker-size
docker-size: ## Show the size of each image
	@docker image ls --format 'table {{.Repository}}:{{.Tag}}\t{{.Size}}\t{{.CreatedSince}}' --filter 'reference=$(or $(IMAGES),ml-assets)-*'

.PHONY: docker-clean
docker-clean: ## Remove the images of the platform that no container uses
	@docker image ls --format '{{.Repository}}:{{.Tag}}' --filter 'reference=$(or $(IMAGES),ml-assets)-*' \
	  | xargs -r -n 1 docker image rm 2>/dev/null || true
	@for name in base train dev release dagster mlflow serve serve-sklearn; do \
	  docker image prune --force --filter "label=org.opencontainers.image.title=ml-assets $$name" >/dev/null; \
	done

##@ Develop

.PHONY: test
test: setup ## Run all tests that need no Docker
	@$(BIN)/pytest -m "not docker" -n auto --dist loadfile --no-loadscope-reorder

.PHONY: test-docker
test-docker: setup images ## Run the tests that need a Docker Engine
	@$(BIN)/pytest -m docker tests/docker -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: check
check: setup ## Format, lint, types, import floors, YAML
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy ml_assets serving commands benchmarks run_containers platform_storage platform_metrics operations
	@$(BIN)/lint-imports
	@# dg keeps one file for each component type, so each is checked on its own
	@for model in ml_assets/defs/*/; do $(BIN)/dg check yaml $$model || exit 1; done
	@echo "all checks passed"

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
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z%-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables: MODEL=%s SOURCE=path, glob or URL  CONFIG=run.yaml\n' '$(MODEL)'
