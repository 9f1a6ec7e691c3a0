# The front door. Every target sets up what it needs on a Debian 12 machine (tools/setup).
#
#   make share DIR=<folder>   build kith and share a folder: prints a link
#   make test                 build and run every test, real peers included
#   make bench | fuzz | lint | install | soak MINUTES=60

BUILD ?= build
BUILDTYPE ?= release
MINUTES ?= 10
PREFIX ?= /usr/local

.PHONY: all share test unit bench fuzz lint install soak clean setup-build setup-test

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

setup-build:
	@tools/setup build

setup-test:
	@tools/setup build test

$(BUILD)/build.ninja: | setup-build
	@meson setup --buildtype=$(BUILDTYPE) --prefix=$(PREFIX) $(BUILD) >/dev/null

share: all
	@test -n "$(DIR)" || { echo 'say which folder: make share DIR=~/pictures' >&2; exit 2; }
	@$(BUILD)/src/cli/kith share "$(DIR)"

test: setup-test
	@tools/test

unit: all
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs

bench: setup-test all
	@bench/run

fuzz: setup-test
	@tools/fuzz $(MINUTES)

lint: setup-test
	@tools/lint

soak: setup-test
	@tools/soak $(MINUTES)

install: all
	@meson install -C $(BUILD)

clean:
	@rm -rf build build-*
