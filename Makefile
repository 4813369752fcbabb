# The one door to everything: `make help`. Works with GNU make 3.81 (macOS) and newer.

PYTHON ?= python3
VENV ?= .venv
PROJECT ?= slurm-tasks
PORT ?=
DEBIAN_RELEASE ?=
# Tests at once against the one cluster, and the seconds each may take; the first one waits for the cluster.
SLURM_WORKERS ?= 4
# What make bench is told, such as --only one-job, or make mutate-coverage, such as --slurm.
ARGS ?=
# Tests of the unit tier keep a core busy. Others wait for processes of their own: three at once for every two cores.
UNIT_WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)
LOCAL_WORKERS ?= $(shell expr 3 \* `getconf _NPROCESSORS_ONLN` / 2)
SLURM_TIMEOUT ?= 900
DEMO_DIR = demo-output
DEMO_ARGS = --backend local --job-base-dir $(DEMO_DIR)/jobs --workdir $(DEMO_DIR)/run

PY = $(VENV)/bin/python
# The stamps carry the checkout's place: an environment that moved with it is made anew.
PLACE := $(shell pwd -P | cksum | cut -d ' ' -f 1)
RUNTIME = $(VENV)/runtime-$(PLACE).stamp
DEV = $(VENV)/dev-$(PLACE).stamp
OLDEST_VENV = $(VENV)-oldest
OLDEST = $(OLDEST_VENV)/oldest-$(PLACE).stamp

# Jobs of the tests start much faster when they find bytecode.
unexport PYTHONDONTWRITEBYTECODE
# Handed to recipes through the environment, so that no value is read by a shell.
export PYTHON VENV PROJECT PORT DEBIAN_RELEASE ARGS
CLUSTER = $(PY) -m slurm.testing
CLUSTER_ARGS = --project "$$PROJECT"
CLUSTER_UP_ARGS = $(CLUSTER_ARGS) $(if $(PORT),--port "$$PORT") $(if $(DEBIAN_RELEASE),--release "$$DEBIAN_RELEASE")

.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-local test-stories test-slurm test-matrix test-releases test-oldest mutate-coverage bench lint format docs env \
	cluster-up cluster-down cluster-shell cluster-status cluster-logs lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=$(PYTHON)  VENV=$(VENV)  PROJECT=$(PROJECT)  PORT=$(PORT)  DEBIAN_RELEASE=$(DEBIAN_RELEASE)"

demo: $(RUNTIME) ## Run the train/eval example on this machine, without Slurm
	$(PY) -m slurm.examples.parallel_train_eval.workflow $(DEMO_ARGS)
	@echo "Written:"
	@find $(DEMO_DIR)/run -type f -not -name ".*" -not -name "*.lock" | LC_ALL=C sort | sed 's/^/  /'

test: lint docs test-unit test-local test-slurm ## What must be so after every change: lint, docs and these three tiers

VERMIN = $(VENV)/bin/vermin --quiet --no-tips --violations
# vermin does not follow conditions: these are imported only where they exist. One line alone is excused by `# novm`.
NEWER = --exclude tomllib --exclude typing.ParamSpec --exclude typing.Concatenate
# Verifying types, pyright looks for the package with the first Python of the PATH.
PYRIGHT = PATH="$(abspath $(VENV))/bin:$$PATH" PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(PY) -m pyright
PUBLIC_TYPES = $(VENV)/public-types.log
lint: $(DEV) ## Check format, rules, imports, types and the oldest Python each file may need
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports --no-cache --no-logo
	$(PY) -m mypy
	$(PYRIGHT)
	$(PYRIGHT) --verifytypes slurm --ignoreexternal >$(PUBLIC_TYPES) || \
		{ sed '/^Public modules/,/^$$/d' $(PUBLIC_TYPES); exit 1; }
	$(VERMIN) $(NEWER) --target=3.9- src/slurm
	$(VERMIN) --target=3.6- src/slurm/agent src/slurm/packaging/site/setup_checker.py src/slurm/cluster_checks/site_probe.py

docs: $(DEV) ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

# The tests of a file stay in one process, and files begin in the order in which they are collected.
BY_FILE = --dist loadfile --no-loadscope-reorder
# Thousands of small files, forced to the disk: in memory that is quick, where there is room and programs may run.
# What one run leaves stays there to be looked at.
MEMORY = /dev/shm
IN_MEMORY = $(shell test -w $(MEMORY) && grep -qs '^[^ ]* $(MEMORY) tmpfs ' /proc/mounts && \
	! grep -qs '^[^ ]* $(MEMORY) tmpfs [^ ]*noexec' /proc/mounts && \
	df -Pk $(MEMORY) | awk 'NR == 2 && $$4 > 1000000 { print "$(MEMORY)" }')
HERE = -m pytest -n auto $(BY_FILE) -o tmp_path_retention_count=1
test-unit: export PYTEST_XDIST_AUTO_NUM_WORKERS = $(UNIT_WORKERS)
test-local test-stories test-oldest: export PYTEST_XDIST_AUTO_NUM_WORKERS = $(LOCAL_WORKERS)
test-unit test-local test-stories test-oldest: export PYTEST_DEBUG_TEMPROOT = $(IN_MEMORY)
# What needs the cluster is not even collected: three processes would each load all of it.
WITHOUT_SLURM = --ignore=tests/slurm
test-unit: $(DEV) ## Run the fast tests, of what one process does by itself
	$(PY) $(HERE) $(WITHOUT_SLURM) -m "not (slurm or story or local)"

test-local: $(DEV) ## Run the tests that start Python or jobs on this machine, without Slurm
	$(PY) $(HERE) $(WITHOUT_SLURM) -m "local and not (slurm or story)"

# Tests of properties, which Hypothesis marks, are in the fast tier with a few examples and here with the full number.
test-stories: export HYPOTHESIS_PROFILE = full
test-stories: $(DEV) ## Run long stories on this machine: power losses, resume after kill -9, properties by many examples
	$(PY) $(HERE) $(WITHOUT_SLURM) -m "(story or hypothesis) and not slurm"

# Where a dependency is used: by what travels, by the Slurmfile, by what is shown, by the pytest plugin.
WITH_DEPENDENCIES = $(wildcard $(addprefix tests/unit/,callbacks cli config job_dir packaging runner runs testing test_imports.py)) \
	$(addprefix tests/conformance/test_,arguments.py callbacks.py failures.py results.py workflows.py)
test-oldest: $(OLDEST) ## Run those tests of both that use a dependency with the oldest allowed versions of all of them
	$(OLDEST_VENV)/bin/python $(HERE) $(WITHOUT_SLURM) -m "not (slurm or story)" $(WITH_DEPENDENCIES)

# Of tests/unit, nothing needs the cluster.
ON_THE_CLUSTER = -m pytest --ignore=tests/unit -n $(SLURM_WORKERS) $(BY_FILE) --timeout $(SLURM_TIMEOUT)
test-slurm: $(DEV) ## Run the tests that need the dockerised cluster
	docker/ensure-docker.sh
	$(PY) $(ON_THE_CLUSTER) -m "slurm and not matrix"

# The other releases of Slurm. Both ensure-docker.sh and the tests read DEBIAN_RELEASE.
OTHER_RELEASES = $(filter-out $(or $(DEBIAN_RELEASE),trixie),$(notdir $(wildcard docker/releases/*)))
ON_THE_OTHERS = set -e; for release in $(OTHER_RELEASES); do export DEBIAN_RELEASE=$$release; echo "== $$release"; \
	docker/ensure-docker.sh; $(PY) $(ON_THE_CLUSTER) -m slurm
SMOKE = tests/slurm/test_releases.py
WHAT_EACH_RUNS = tests/conformance tests/slurm/at_most_once \
	$(addprefix tests/slurm/test_,harness.py memory.py mpi.py downstream_project.py) $(SMOKE)
test-matrix: $(DEV) ## Run those of them that take long and rarely break, such as faults; and much of all on each other release
	docker/ensure-docker.sh
	$(PY) $(ON_THE_CLUSTER) -m "slurm and matrix"
	@$(ON_THE_OTHERS) $(WHAT_EACH_RUNS); done

# All at once: apt and Slurm spend much of their time waiting. Each says at the end how it went.
test-releases: $(DEV) ## Run jobs of every kind on each other release of Slurm than the one of test-slurm
	@docker/ensure-docker.sh
	@printf '%s\n' $(OTHER_RELEASES) | xargs -P 8 -I '{}' env DEBIAN_RELEASE='{}' sh -c \
		'said=$$($(PY) $(ON_THE_CLUSTER) -n 0 -q -m slurm $(SMOKE) 2>&1); status=$$?; \
		printf "== %s\n%s\n" "$$DEBIAN_RELEASE" "$$said"; exit $$status'

mutate-coverage: export PYTEST_DEBUG_TEMPROOT = $(IN_MEMORY)
mutate-coverage: $(DEV) ## Show that tests fail where the specification's statements are made untrue; ARGS=--help
	$(PY) -m tests.mutate_coverage $$ARGS

bench: $(DEV) ## Measure what must not become slow, beside the bare tools and other clients; ARGS=--help
	docker/ensure-docker.sh
	@$(PY) -m benchmarks $$ARGS

format: $(DEV) ## Format the code and mend what ruff can mend
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

cluster-up: $(DEV) ## Start the cluster PROJECT, on PORT or a free one, with DEBIAN_RELEASE's Slurm
	docker/ensure-docker.sh
	@$(CLUSTER) up $(CLUSTER_UP_ARGS)

cluster-down: $(DEV) ## Remove the cluster PROJECT and everything in it
	@$(CLUSTER) down $(CLUSTER_ARGS)

cluster-shell: $(DEV) ## Open a shell on its login node
	@$(CLUSTER) shell $(CLUSTER_ARGS)

cluster-status: $(DEV) ## Show its services and nodes
	@$(CLUSTER) status $(CLUSTER_ARGS)

cluster-logs: $(DEV) ## Show what its daemons wrote
	@$(CLUSTER) logs $(CLUSTER_ARGS)

env: $(DEV) ## Make the environment in VENV, and nothing else

PEERS = $(basename $(wildcard benchmarks/requirements/*.in))
LOCK = "$$dir/bin/uv" pip compile --quiet --universal --fork-strategy fewest --upgrade --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock'
lock: ## Pin the dependencies: the newest allowed, the oldest in requirements-oldest.txt, the benchmarks' peers
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	"$$PYTHON" -m venv "$$dir"; "$$dir/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	$(LOCK) --python-version 3.10 pyproject.toml --group build --output-file requirements.txt; \
	$(LOCK) --python-version 3.10 pyproject.toml --extra testing --extra rich --extra dash requirements-dev.in \
		--constraints requirements.txt --output-file requirements-dev.txt; \
	$(LOCK) --python-version 3.10 --resolution lowest-direct pyproject.toml --group build --extra testing --extra rich \
		requirements-test.in --output-file requirements-oldest.txt; \
	for peer in $(PEERS); do \
		case $$peer in */slurm-sdk) oldest=3.11 ;; *) oldest=3.10 ;; esac; \
		$(LOCK) --python-version $$oldest "$$peer.in" --output-file "$$peer.txt"; \
	done

clean: ## Remove what make made; a running cluster stays, see cluster-down
	rm -rf "$$VENV" "$$VENV-oldest" site dist build benchmarks/.work $(DEMO_DIR) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements.txt pyproject.toml scripts/make-env.sh
	@scripts/make-env.sh "$$PYTHON" "$$VENV" requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@scripts/make-env.sh "$$PYTHON" "$$VENV" requirements-dev.txt
	@touch $@

$(OLDEST): requirements-oldest.txt pyproject.toml scripts/make-env.sh
	@scripts/make-env.sh "$$PYTHON" "$$VENV-oldest" requirements-oldest.txt
	@touch $@
