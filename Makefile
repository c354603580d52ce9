# Entry points for people and scripts; see CONTRIBUTING.md.
PYTHON ?= python3
VENV   := .venv
BIN    = $(VENV)/bin
STAMP  = $(VENV)/.installed
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE  ?= pointsman:$(VERSION)

.PHONY: install run test test-root test-browser lint measure bench docs image clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml tools/bootstrap.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/bootstrap.sh
	@touch $(STAMP)

run: install
	@exec $(BIN)/pointsman run --home var --demo

test: install lint
	@where=$$(mktemp -d /tmp/pm-XXXXXX); \
	$(BIN)/python -m pytest -n 2 --basetemp=$$where/u tests/unit tests/architecture tests/golden && \
	$(BIN)/python -m pytest -n 3 --dist loadfile --basetemp=$$where/t tests/engine tests/e2e -m "not root"; \
	status=$$?; rm -rf $$where; exit $$status

test-root: install
	$(BIN)/python -m pytest tests -m root

test-browser: install
	@command -v chromium >/dev/null || { echo "make test-browser needs Debian's chromium (and firefox-esr): apt-get install chromium firefox-esr." >&2; exit 1; }
	$(BIN)/python -m pytest tests/browser

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
