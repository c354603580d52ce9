# Entry points for people and scripts; see CONTRIBUTING.md.
PYTHON ?= python3
VENV   := .venv
BIN    = $(VENV)/bin
STAMP  = $(VENV)/.installed
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE  ?= pointsman:$(VERSION)

.PHONY: install bytecode run test test-root test-browser fuzz lint measure bench docs image clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml tools/bootstrap.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/bootstrap.sh
	@touch $(STAMP)

# Tests start the product hundreds of times, also where PYTHONDONTWRITEBYTECODE has each start compile it anew.
bytecode: install
	@$(BIN)/python -m compileall -q src tests tools

run: install
	@exec $(BIN)/pointsman run --home var --demo

# Files with long tests come first, so that no worker has one left when the others are done.
test: install lint bytecode
	@where=$$(mktemp -d /tmp/pm-XXXXXX); \
	$(BIN)/python -m pytest -n 3 --basetemp=$$where/u tests/unit tests/architecture tests/golden; units=$$?; \
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --basetemp=$$where/t tests/e2e tests/engine -m "not root"; \
	status=$$((units + $$?)); rm -rf $$where; exit $$status

test-root: install bytecode
	$(BIN)/python -m pytest tests -m root

test-browser: install bytecode
	@command -v chromium >/dev/null || { echo "make test-browser needs Debian's chromium (and firefox-esr): apt-get install chromium firefox-esr." >&2; exit 1; }
	@where=$$(mktemp -d /tmp/pm-XXXXXX); \
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --basetemp=$$where/b tests/browser; \
	status=$$?; rm -rf $$where; exit $$status

# New examples for every property, many of them; what fails becomes an example in its test.
fuzz: install bytecode
	@where=$$(mktemp -d /tmp/pm-XXXXXX); \
	POINTSMAN_FUZZ=10 $(BIN)/python -m pytest -n 2 --basetemp=$$where/u --hypothesis-profile=search --timeout=1200 \
		$$(grep -rl '@given' tests/unit tests/architecture); \
	status=$$?; rm -rf $$where; exit $$status

lint: install
	$(BIN)/ruff check src tests tools container
	$(BIN)/ruff format --check src tests tools container
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/hadolint container/Dockerfile
	$(BIN)/shellcheck -x tools/bootstrap.sh .ci/run $$(find container/zeus -type f) $$(find examples -type f -perm -u=x) examples/*/settings

measure: install
	$(BIN)/python -m tools.measure

bench: install
	$(BIN)/python -m tools.bench

docs: install
	$(BIN)/python -m tools.reference docs/reference

image:
	@command -v docker >/dev/null || { echo "make image needs docker: install Debian's docker.io or Docker Engine." >&2; exit 1; }
	docker build -f container/Dockerfile -t $(IMAGE) --build-arg VERSION=$(VERSION) .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
