# A thin wrapper: the commands stand in tools/make.py, which Windows users call directly (see README.md).
# Settings pass through the environment: make serve PORT=8001 · make book FORCE=1 · make bench CHAPTER=unmixing
PYTHON ?= python3
COMMANDS := book serve test check bench env clean

.DEFAULT_GOAL := help
.PHONY: help $(COMMANDS)
help $(COMMANDS):
	@"$(PYTHON)" tools/make.py $@
