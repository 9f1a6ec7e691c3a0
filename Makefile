# The front door. Every target sets up what it needs on a Debian 12 machine (tools/setup).
#
#   make share DIR=<folder>   build kith and share a folder: prints a link
#   make test                 build and run every test, real peers included
#   make bench               compare with libtorrent: docs/performance.md
#   make soak MINUTES=60      simulated swarms, kills and fuzzers, as long as you like
#   make sim-dht NODES=100000 the DHT at scale, simulated: docs/dht.md
#   make sim-speed            swarms against their lower bound, simulated: docs/performance-swarm.md
#   make fuzz MINUTES=60 | lint | install

BUILD ?= build
BUILDTYPE ?= release
MINUTES ?= 10
PREFIX ?= /usr/local
NODES ?= 100000

.PHONY: all share test bench soak sim-dht sim-speed fuzz lint install clean setup-build setup-bench setup-test

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

setup-build:
	@tools/setup build

setup-bench:
	@tools/setup build bench

setup-test:
	@tools/setup build test

$(BUILD)/build.ninja: | setup-build
	@meson setup -Dtests=false --buildtype=$(BUILDTYPE) --prefix=$(PREFIX) $(BUILD) >/dev/null

share: all
	@test -n "$(DIR)" || { echo 'say which folder: make share DIR=~/pictures' >&2; exit 2; }
	@$(BUILD)/src/cli/kith share "$(DIR)"

test: setup-test
	@tools/test

fuzz: setup-test
	@tools/fuzz $(MINUTES)

soak: setup-test
	@tools/soak $(MINUTES)

sim-dht: setup-test
	@tools/sim-dht $(NODES)

sim-speed: setup-test
	@tools/sim-speed $(CASES)

bench: setup-bench
	@tools/bench

lint: setup-test
	@tools/lint
	@tools/lint analysis

install: all
	@meson install -C $(BUILD)

clean:
	@rm -rf build build-*
