# Holdfast: everything a checkout can do. Needs Python 3.11 or newer and make; the rest is fetched into .venv.

VENV      := .venv
BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.holdfast-installed
EXTRAS    := lab,testing,server,appliance,postgresql,dev
WORKERS   ?= 3
SEED      ?= 1
MINUTES   ?= 60
# What is told to bench/run.py, bench/collecting.py and bench/resuming.py; a try of them is in bench/README.md.
BENCH      ?=
COLLECTING ?= --docs
RESUMING   ?= --docs

# mkfs and its kin live in sbin, which is not on everyone's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
# Python keeps what it has compiled, or each of the many processes of the tests would compile it again.
export PYTHONDONTWRITEBYTECODE :=
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check bench bench-scale campaign lint format types imports house docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED)  ## the whole story in an AWS of its own: back up, destroy, restore, compare (no account needed)
	@.ci/system-tools mkfs.ext4:e2fsprogs debugfs:e2fsprogs
	$(BIN)/holdfast demo

test: lint types imports  ## everything that must hold before a change is merged
	@.ci/system-tools mkfs.ext4:e2fsprogs debugfs:e2fsprogs mkfs.xfs:xfsprogs pg_ctlcluster:postgresql
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder tests

check: lint types imports house  ## the quick part of `test`: style, types, imports, house rules

bench: $(INSTALLED)  ## measure against restic and borg on one image, side by side
	@.ci/system-tools mkfs.ext4:e2fsprogs restic:restic borg:borgbackup
	$(BIN)/python bench/run.py $(BENCH)
	$(BIN)/python bench/collecting.py $(COLLECTING)
	$(BIN)/python bench/resuming.py $(RESUMING)

bench-scale: $(INSTALLED)  ## measure what has grown: 10,000 points, 10 million chunks
	$(BIN)/python bench/scale.py

test-long: $(INSTALLED)  ## campaigns of any length from one number: SEED=1 MINUTES=60; writes docs/long-run.md
	@.ci/system-tools mkfs.ext4:e2fsprogs debugfs:e2fsprogs
	$(BIN)/pip install --quiet --editable '.[long]' --constraint constraints.txt
	$(BIN)/python -m tests.long.run --seed $(SEED) --minutes $(MINUTES)

campaign: $(INSTALLED)  ## kill -9 at every step of every story, for hours; KILLS=N bounds those of each; writes docs/kill-campaign.md
	CAMPAIGN=build/campaign $(BIN)/pytest -n $(WORKERS) --timeout 0 tests/e2e/campaign; status=$$?; \
	$(BIN)/python -m tests.e2e.campaign.page build/campaign; exit $$status

lint: $(INSTALLED)  ## style
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet . || { echo "run make format"; exit 1; }

format: $(INSTALLED)  ## lay the code out and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED)  ## mypy, strict
	$(BIN)/mypy

imports: $(INSTALLED)  ## the direction of the arrows between the rooms
	$(BIN)/lint-imports --no-logo

house: $(INSTALLED)  ## house rules: sizes, names, banned calls, documentation that covers the code
	$(BIN)/pytest -q tests/house

docs: $(INSTALLED)  ## the documentation as a website in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## remove what the targets above have made
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt .ci/make-venv
	.ci/make-venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[$(EXTRAS)]' --constraint constraints.txt
	@touch $@
