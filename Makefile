# Everything from a fresh clone: `make demo`, `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
, := ,

.PHONY: help
help: ## what can be made
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(READY) ## a virtual environment in .venv with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, found " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(READY) ## six configurations and three seeds on generated speech, into MLflow, in minutes
	$(BIN)/python -m ser.run -m loss=cos,l2 lambda=0.6,0.7,0.8 repeats=3 trainer.lr=1e-3
	@echo
	@$(BIN)/python -m multirun_analysis sweep=last over=lambda

# Ray is no extra: its plugin asks for an older cloudpickle than constraints.txt has (docs/cluster.md).
.PHONY: ray-demo
ray-demo: $(READY) ## four jobs on a Ray cluster of this machine, on generated speech (installs Ray)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt ray
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps hydra-ray-launcher==1.2.2
	$(BIN)/python -m ser.run -m hydra/launcher=ray loss=cos,l2 lambda=0.6,0.7 trainer.lr=1e-3

# The paper's tables and figures: train what the store lacks, then make the table from the store.
CORPUS   := synthetic
ROOT     :=
SEEDS    := 20
DEVICE   := auto
LAUNCHER :=
ARGS     :=
EXPERIMENTS := baseline fig2 table2 fig3 fig4 attentive
OVERRIDES = corpus=$(CORPUS) $(if $(ROOT),'corpus.root=$(ROOT)') repeats=$(SEEDS) device=$(DEVICE) \
	$(if $(LAUNCHER),hydra/launcher=$(LAUNCHER)) $(ARGS)
SCOPED = $(foreach e,$(EXPERIMENTS) multi_view contrastive e2e,$(addprefix $(e):,$(ARGS_$(e))))
# $(call reproduce,EXPERIMENTS,TABLE): a sweep of which parts fail is still shown, as far as it is there
define reproduce
	@failed=0; \
	$(foreach e,$(1),$(BIN)/python -m ser.run -m experiment=$(e) $(OVERRIDES) $(ARGS_$(e)); s=$$?; \
		if [ $$s -gt 1 ]; then exit $$s; fi; if [ $$s -eq 1 ]; then failed=1; fi; echo;) \
	$(BIN)/python -m multirun_analysis $(2) $(OVERRIDES) $(SCOPED) || exit $$?; \
	if [ $$failed -eq 1 ]; then echo "Parts of the grid failed: see above." >&2; exit 1; fi
endef

# $(call and_table,COMMAND,TABLE): train a sweep, and show its table from the store that ARGS names, whatever failed
define and_table
	@$(1); s=$$?; if [ $$s -gt 1 ]; then exit $$s; fi; set --; \
	for a in $(ARGS); do case "$$a" in results.dir=*|tracking.uri=*|tracking.experiment=*) set -- "$$@" "$$a";; esac; done; \
	$(BIN)/python -m multirun_analysis $(2) "$$@" || exit $$?; \
	if [ $$s -eq 1 ]; then echo "Parts of the grid failed: see above." >&2; exit 1; fi
endef

.PHONY: table1 table2 table3 fig2 fig3 fig4 e2e paper
table1: $(READY) ## the paper's network beside the one that is built
	@$(BIN)/python -m multirun_analysis table1 $(ARGS)
table2: $(READY) ## additional tasks (CORPUS= ROOT= SEEDS=20 DEVICE=auto LAUNCHER= ARGS=, for all of these)
	$(call reproduce,table2,table2)
table3: $(READY) ## settings of the contrastive loss, the baseline and the attentive CNN
	$(call reproduce,baseline fig3 fig4 attentive,table3)
fig2: $(READY) ## both features over 1 to 15 s
	$(call reproduce,fig2,fig2)
fig3: $(READY) ## loaders and positions over lambda
	$(call reproduce,fig3,fig3)
fig4: $(READY) ## contrastive losses over lambda
	$(call reproduce,fig4,fig4)
e2e: $(READY) ## how much the end-to-end network varies between trainings, beside baseline and contrastive loss
	$(call reproduce,baseline contrastive e2e,e2e)
paper: $(READY) ## tables 1 to 3, figures 2 to 4, and one report.html
	$(call reproduce,$(EXPERIMENTS),report)

.PHONY: together
together: $(READY) ## the paper's future work: contrastive loss and additional task together
	$(call and_table,$(BIN)/python -m ser.run -m experiment=together sweep=together $(OVERRIDES),sweep=together by=loss$(,)aux_task against=none$(,)none)

TRIALS := 20
.PHONY: losses
losses: $(READY) ## losses since 2018 with equal tuning budgets (CORPUS= ROOT= SEEDS=20 TRIALS=20 DEVICE=auto ARGS=)
	$(call and_table,$(BIN)/python -m ser.tune compare=losses trials=$(TRIALS) seeds=$(SEEDS) corpus=$(CORPUS) \
		$(if $(ROOT),'corpus.root=$(ROOT)') device=$(DEVICE) $(ARGS),sweep=losses by=alternative against=none)

# The claims again with each plausible alternative of what the paper leaves open: docs/robustness.md
SWEEPS   :=
VARIANTS :=
ALTERNATIVES = $(if $(SWEEPS),sweeps=$(SWEEPS)) $(if $(VARIANTS),'variants=$(VARIANTS)')

.PHONY: robustness
robustness: SEEDS := 3
robustness: $(READY) ## verdicts over what the paper leaves open (also SEEDS=3 SWEEPS=cos,l2,... VARIANTS=FILE)
	@list=$$(mktemp) && trap 'rm -f "$$list"' EXIT || exit 2; \
	$(BIN)/python -m multirun_analysis robustness show=commands $(OVERRIDES) $(ALTERNATIVES) > "$$list" || exit $$?; \
	grep '^#' "$$list"; echo; failed=0; \
	while IFS= read -r line <&3; do \
		case "$$line" in "python -m ser.run "*) ;; *) continue;; esac; \
		echo "$$line"; eval "$(BIN)/$$line"; s=$$?; \
		if [ $$s -gt 1 ]; then exit $$s; fi; if [ $$s -eq 1 ]; then failed=1; fi; echo; \
	done 3< "$$list"; \
	$(BIN)/python -m multirun_analysis robustness $(OVERRIDES) $(ALTERNATIVES) || exit $$?; \
	if [ $$failed -eq 1 ]; then echo "Parts of the grid failed: see above." >&2; exit 1; fi

.PHONY: ui
ui: $(READY) ## the MLflow UI on this folder's runs (PORT=5000)
	$(BIN)/python -m ser.ui port=$(or $(PORT),5000)

.PHONY: docs
docs: $(VENV)/.docs ## the documentation as a site: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # not --quiet: then a broken link would not end it
	@echo "Open site/index.html, or: $(BIN)/mkdocs serve"

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

.PHONY: test
test: $(READY) ## the tests, some minutes
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder

.PHONY: test-slow
test-slow: $(READY) ## the tests that take longer (a full-size generated corpus among them)
	$(BIN)/python -m pytest -m slow

.PHONY: test-faults
test-faults: $(READY) ## sweeps that are killed, whose server dies: they end like undisturbed ones (minutes)
	$(BIN)/python -m pytest -m slow tests/faults tests/results/test_server.py -s

.PHONY: bench
bench: $(READY) ## what is fast and how fast, measured here: docs/benchmarks.md (minutes, on a quiet machine)
	$(BIN)/python -m benchmarks

.PHONY: lint
lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: clean
clean: ## remove caches and Hydra's job folders; results, runs and corpora stay
	rm -rf outputs multirun site .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
