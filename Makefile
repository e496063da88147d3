# Two commands do everything on a fresh Debian machine with Python: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVED := $(VENV)/.served
STAMP := $(VENV)/.installed
ARGS ?=
JOBS ?= 3

.PHONY: run test lint types unit packages docs site survival-report transport-kills soak bench bench-media bench-audio bench-pacing bench-parse bench-registrations fuzz clean help

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 22

run: $(SERVED)  ## install what is missing and start the service with its defaults (ARGS="--answer ring" to alter them)
	@exec $(BIN)/sipactors run $(ARGS)

test: packages $(STAMP)  ## lint, types and every test
	$(MAKE) --no-print-directory lint types unit

lint: $(STAMP)  ## ruff, with all its rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

unit: $(STAMP)  ## the tests alone
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal

packages:  ## the system packages that the tests need, installed when missing
	@sh .ci/packages sip-tester baresip linphone-cli libopus0 libgsm1 libspeexdsp1 sipsak kamailio kamailio-tls-modules kamailio-outbound-modules rtpengine-daemon libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins gcc libc6-dev pkg-config libzmq3-dev libmsgpack-dev

docs: $(STAMP)  ## write what is made from the code: the machines' diagrams, the control API, the settings
	$(BIN)/python docs/draw_machines.py
	$(BIN)/python docs/draw_api.py
	$(BIN)/python docs/draw_audio.py
	$(BIN)/python docs/draw_config.py

site: $(STAMP)  ## the documentation as a site in build/site; a warning is an error
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

survival-report: packages $(STAMP)  ## kill each actor 20 times in each phase; print restart times and audio gaps
	$(BIN)/python benchmarks/survival.py $(ARGS)

transport-kills: $(STAMP)  ## kill the transport 100 times under 50 requests a second over UDP (4 minutes)
	$(BIN)/python benchmarks/transport_kills.py $(ARGS)

soak: packages $(STAMP)  ## ten minutes of calls while actors are killed at random (ARGS="--seconds 3600" to alter that)
	$(BIN)/python benchmarks/soak.py $(ARGS)

bench: packages $(STAMP)  ## calls a second and CPU per call, beside SIPp in the same run
	$(BIN)/python benchmarks/calls.py $(ARGS)

bench-media: packages $(STAMP)  ## CPU of a call's audio, beside baresip in the same run
	$(BIN)/python benchmarks/media.py $(ARGS)

bench-audio: packages $(STAMP)  ## CPU of audio in another program, and how long it takes through it and back
	$(BIN)/python benchmarks/audio.py $(ARGS)

bench-pacing: packages $(STAMP)  ## how evenly RTP leaves, captured, beside baresip and SIPp in the same run
	@sh .ci/packages tshark
	$(BIN)/python benchmarks/pacing.py $(ARGS)

bench-parse: $(STAMP)  ## how long messages take to read and print, beside libosip2 and sipmessage in the same run
	@sh .ci/packages gcc libc6-dev libosip2-dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python benchmarks/parse.py $(ARGS)

bench-registrations: $(STAMP)  ## 5,000 accounts register with digest: seconds, CPU, memory (under 4 minutes)
	$(BIN)/python benchmarks/registrations.py $(ARGS)

fuzz: $(STAMP)  ## fuzz what reads peers' bytes, and the API, a minute a target (ARGS="--seconds 600 message api" to alter that)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz.run $(ARGS)

clean:  ## remove what was made
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(SERVED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh .ci/packages python3-venv
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@

$(STAMP): $(SERVED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,tests]'
	@touch $@
