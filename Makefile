# `make` alone lists what there is. Needs Python 3.11+ (with venv) and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# Compiling everything takes a third of the set-up: what a run imports is enough. Where PYTHONDONTWRITEBYTECODE is set, as
# in many containers, Python would compile it again at every start.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
PIP := $(PY) $(INSTALL)
NAME ?=
SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help run test glue-tools lab report fuzz faults licences docs example bench deploy teardown dist publish lock clean annotate-tools

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/base: requirements/base.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Setting up $(VENV) (about a minute, once)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/base.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@$(PY) -c 'from genomicslearning.runs import engine, reports, warm; from genomicslearning.report import page; warm.import_all()'
	@touch $@

$(VENV)/dev: $(VENV)/base requirements/dev.txt
	@echo "Adding the test tools (a few minutes, once)"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# Policy linters pin older libraries than ours: an environment of their own.
$(VENV)-policy/ready: requirements/policy.txt requirements/policy_tools.txt
	@$(PYTHON) -m venv $(VENV)-policy
	@$(VENV)-policy/bin/python $(INSTALL) --require-hashes -r requirements/policy.txt
	@$(VENV)-policy/bin/python $(INSTALL) --require-hashes --no-deps -r requirements/policy_tools.txt
	@touch $@

# The annotator pins another pyarrow than ours.
$(VENV)-annotate/ready: requirements/annotate.txt
	@$(PYTHON) -m venv $(VENV)-annotate
	@$(VENV)-annotate/bin/python $(INSTALL) --require-hashes -r requirements/annotate.txt
	@touch $@

annotate-tools: $(VENV)-annotate/ready  ## set up the annotator (vepyr) in an environment of its own

# The libraries that AWS Glue 5.0 documents, on its Python, for the tests of the jobs.
GLUE_PYTHON ?= python3.11
$(VENV)-glue/ready: requirements/glue.txt
	@if command -v $(GLUE_PYTHON) > /dev/null; then \
		$(GLUE_PYTHON) -m venv $(VENV)-glue && \
		$(VENV)-glue/bin/python $(INSTALL) --require-hashes -r requirements/glue.txt && touch $@; \
	else echo "no $(GLUE_PYTHON), which Glue 5.0 has: the tests with its libraries are skipped (make GLUE_PYTHON=…)" >&2; fi

run: $(VENV)/base  ## run the main job on the embedded sample (ARGS="…" for your own data) and name the report
	@$(VENV)/bin/genomicslearning run $(if $(NAME),--name $(NAME)) $(ARGS)

glue-tools: $(VENV)-glue/ready  ## set up the libraries of AWS Glue 5.0 (a part of make test)

test: $(VENV)/dev $(VENV)-policy/ready $(VENV)-annotate/ready $(VENV)-glue/ready  ## run every test
	@PATH="$(abspath $(VENV)/bin):$$PATH" $(PY) -m ruff check .
	@PATH="$(abspath $(VENV)/bin):$$PATH" $(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy
	@$(PY) -m pip check --disable-pip-version-check
	@PATH="$(abspath $(VENV)/bin):$$PATH" $(PY) -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(TESTS)

lab: $(VENV)/base  ## open the notebooks in JupyterLab, with this project's kernel
	@$(PY) -m ipykernel install --sys-prefix --name genomicslearning --display-name "Genomics Learning"
	@$(VENV)/bin/jupyter lab --notebook-dir .

report: $(VENV)/base  ## render the reports of every run again (or of one: make report NAME=…)
	@$(VENV)/bin/genomicslearning report $(if $(NAME),$(NAME),--all)

docs: $(VENV)/dev  ## build the documentation as a site, build/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet
	@echo build/site/index.html

example: $(VENV)/base  ## make the documentation's example report again, from a run on the embedded sample
	@$(VENV)/bin/genomicslearning run --runs-dir build/example/runs --name sample --resume
	@$(PY) docs/build_example.py build/example/runs/sample

BENCH_MODEL ?= runs/bench/autopilot/variant-classifier/model
$(BENCH_MODEL):
	@$(VENV)/bin/genomicslearning run --training-set "$(TABLE)" --preset quick --name bench --resume

fuzz: $(VENV)/dev  ## hostile inputs to every reader, ten minutes (SECONDS=…); what breaks one goes to tests/corpus
	@$(PY) benchmarks/fuzz.py --seconds $(SECONDS)
	@$(PY) benchmarks/reliability.py

faults: $(VENV)/dev  ## kill every command, fill the disk, take the rights away
	@$(PY) benchmarks/faults.py
	@$(PY) benchmarks/reliability.py

licences: $(VENV)/base  ## licences of every package of the lock
	@$(PY) -m genomicslearning.deploy.bill_of_materials licences

bench: $(VENV)/dev  ## measure every figure in the docs (make bench TABLE=…, the published table; with ANNOTATED=… also the peers, with CLINVAR=… a bare release)
	@test -n "$(TABLE)" || { echo "make bench TABLE=clinvar_conflicting.csv.zip: the published table is needed" >&2; exit 2; }
	@$(PY) benchmarks/training_set.py --table "$(TABLE)"
	@$(PY) benchmarks/model.py --table "$(TABLE)"
	@$(PY) benchmarks/evaluation.py
	@$(PY) benchmarks/single_submissions.py
	@$(PY) benchmarks/conflict_rates.py --judge
	@$(PY) benchmarks/scale.py --table "$(TABLE)"
	@$(MAKE) --no-print-directory $(BENCH_MODEL)
	@$(PY) benchmarks/endpoint.py --table "$(TABLE)" --model $(BENCH_MODEL)
	@$(PY) benchmarks/serve.py --table "$(TABLE)" --model $(BENCH_MODEL)
	@$(PY) benchmarks/bombs.py
	@$(PY) benchmarks/load_held.py
	@$(PY) benchmarks/equal_bytes.py --table "$(TABLE)"
	@$(PY) benchmarks/structure.py
	@$(PY) benchmarks/startup.py
	@test -z "$(ANNOTATED)" || $(PY) benchmarks/peers.py --peers build/peers $(ANNOTATED)
	@test -z "$(CLINVAR)" || $(PY) benchmarks/bare_vcf.py "$(CLINVAR)"
	@$(PY) benchmarks/reliability.py

deploy: $(VENV)/dev  ## deploy the AWS stacks (ARGS="--dry-run" prints the plan)
	@$(VENV)/bin/genomicslearning deploy $(ARGS)

teardown: $(VENV)/dev  ## remove the AWS stacks and everything in them
	@$(VENV)/bin/genomicslearning teardown $(ARGS)

DIST = $(PY) -m genomicslearning.deploy.dist
dist: $(VENV)/base  ## build the setup stack's files (DIST_BUCKET=… VERSION=…) from a clean checkout into dist/
	@$(DIST) build --bucket "$(DIST_BUCKET)" --version "$(VERSION)"

publish: $(VENV)/dev  ## upload dist/ (DIST_BUCKET=… VERSION=… REGIONS="eu-west-1 …")
	@$(DIST) publish --bucket "$(DIST_BUCKET)" --version "$(VERSION)" --regions "$(REGIONS)"

UV_COMPILE = uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
lock:  ## resolve the pinned requirements again (needs uv)
	$(UV_COMPILE) pyproject.toml requirements/build.in --all-extras -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml requirements/build.in -c requirements/dev.txt -o requirements/base.txt
	$(UV_COMPILE) pyproject.toml requirements/build.in --extra aws -c requirements/dev.txt -o requirements/aws.txt
	$(UV_COMPILE) requirements/policy.in -o requirements/policy.txt
	$(UV_COMPILE) requirements/annotate.in -o requirements/annotate.txt
	$(UV_COMPILE) requirements/glue.in -o requirements/glue.txt

clean:  ## remove the environments and caches (runs stay)
	rm -rf $(VENV) $(VENV)-policy $(VENV)-annotate $(VENV)-glue .pytest_cache .ruff_cache build dist
