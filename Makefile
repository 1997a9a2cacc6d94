# Two commands do everything on a fresh machine: `make scan` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
LOCK   ?= fixtures/lockfiles/pdf.js/package-lock.json
ARGS   ?=
# a scan that cannot ask OSV says so; `make scan FEED=required` makes it end with 3
FEED   ?= optional
# how long `make fuzz` tries each reader; FUZZ_ENGINE=atheris lets coverage choose (Linux on x86-64, Python < 3.14)
FUZZ_SECONDS ?= 1200
FUZZ_INPUTS  ?=
FUZZ_ENGINE  ?= mutation
BIN    := $(VENV)/bin

.PHONY: scan test unit lint bench accuracy fuzz docs lock sbom clean

$(BIN)/npmguard: pyproject.toml $(shell find npmguard rules -type f -not -name '*.pyc')
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	@touch $@

# The environment of tests holds npmguard as an editable install, with the test tools; LOCKED=1, as CI has it, takes
# exactly the versions and bytes that the lock names.
$(VENV)-test/.ready: pyproject.toml
	test -x $(VENV)-test/bin/python || $(PYTHON) -m venv $(VENV)-test
ifdef LOCKED
	$(VENV)-test/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-test.txt
	$(VENV)-test/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
else
	$(VENV)-test/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
endif
	@touch $@

scan: $(BIN)/npmguard
	@$(BIN)/npmguard scan $(LOCK) --feed $(FEED) $(ARGS)

test: $(VENV)-test/.ready
	tests/tools/system.sh
	$(VENV)-test/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)-test/.ready
	$(VENV)-test/bin/ruff check .
	$(VENV)-test/bin/ruff format --check .
	$(VENV)-test/bin/mypy

bench: $(VENV)-test/.ready
	$(VENV)-test/bin/python benchmarks/run.py $(ARGS)

accuracy: $(VENV)-test/.ready
	$(VENV)-test/bin/python benchmarks/accuracy/run.py $(ARGS)

# Inputs that are crashes go to build/fuzz/<harness>/; a fault that is mended leaves its input in fixtures/fuzz/.
fuzz: $(VENV)-test/.ready
	test $(FUZZ_ENGINE) != atheris || $(VENV)-test/bin/python -m pip install --quiet --editable '.[fuzz]'
	$(VENV)-test/bin/python -m tests.fuzz --engine $(FUZZ_ENGINE) \
		$(if $(FUZZ_INPUTS),--inputs $(FUZZ_INPUTS),--seconds $(FUZZ_SECONDS)) $(ARGS)

docs: $(VENV)-test/.ready
	$(VENV)-test/bin/npmguard rules docs --output docs/rules.md
	$(VENV)-test/bin/python -c "from npmguard.schemas import *; print(settings_schema().decode(), end='')" > docs/settings.schema.json
	$(VENV)-test/bin/python -c "from npmguard.schemas import *; print(accepted_schema().decode(), end='')" > docs/accepted.schema.json

# The exact versions, with hashes, that the action and the image install, those of CI, and those of a release.
COMPILE = $(VENV)-test/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-header pyproject.toml
lock: $(VENV)-test/.ready
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra test --output-file requirements-test.txt
	$(COMPILE) --extra build --output-file requirements-build.txt

# What the lock installs, as CycloneDX; a release carries it.
sbom: build/npmguard.cdx.json
build/npmguard.cdx.json: requirements.txt pyproject.toml
	test -x $(VENV)-build/bin/python || $(PYTHON) -m venv $(VENV)-build
	$(VENV)-build/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-build.txt
	mkdir -p build
	$(VENV)-build/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application \
		--sv 1.6 --of JSON --output-reproducible --output-file $@ requirements.txt

clean:
	rm -rf $(VENV) $(VENV)-test $(VENV)-build build dist .mypy_cache .ruff_cache .pytest_cache
