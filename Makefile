# SPDX-License-Identifier: Apache-2.0
#
#   make            build/sextant and the tools
#   make unit       unit and flow tests            make check   format, layers, limits, clang-tidy, cppcheck
#   make tsan       the tests under TSan           make e2e-asan, e2e-tsan   the end-to-end tests under them
#   make asan       the tests under ASan + UBSan   make fuzz    every fuzzer for FUZZ_SECONDS each
#   make install    DESTDIR, PREFIX                make soak    the long forms of the end-to-end tests
#   make format     lay the sources out            make geo     the default country database
#   make clean      remove what was built          make bench   what requests cost, against HAProxy and nginx
#   make coverage   lines of the parsers that tests reach         make fuzz-keep   keep what fuzzing learnt
#   make instructions   what a request costs, as callgrind counts it; budget   make that the budget
#   scripts/deps.sh installs what these need, scripts/test.sh runs every test, scripts/run.sh shows it at work.

BUILD   ?= build
CC      ?= cc
PREFIX  ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
GEO_DB  ?= $(BUILD)/country.mmdb
VERSION := 0.1.0

PKGS := libevent_core:2.1.12 libllhttp:9.2.1 yyjson:0.10.0 libmaxminddb:1.7.1 libcares:1.18.1 \
        zlib:1.2.13 libbrotlidec:1.0.9 libzstd:1.5.4 libssl:3.0.0 libcrypto:3.0.0
PKG_NAMES := $(foreach p,$(PKGS),$(firstword $(subst :, ,$p)))

ifneq ($(if $(MAKECMDGOALS),$(filter-out clean help format check dashboard,$(MAKECMDGOALS)),all),)
missing := $(foreach p,$(PKGS),$(shell pkg-config --atleast-version=$(lastword $(subst :, ,$p)) \
        $(firstword $(subst :, ,$p)) 2>/dev/null || echo '$(firstword $(subst :, ,$p))>=$(lastword $(subst :, ,$p))'))
ifneq ($(strip $(missing)),)
$(error missing or too old: $(strip $(missing)). scripts/deps.sh installs what is needed)
endif
endif

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings \
        -Wcast-qual -Wno-unused-parameter
CFLAGS   ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE -DSEXTANT_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKG_NAMES))
CFLAGS_ALL = -std=c11 $(WARN) -fno-strict-aliasing -fstack-protector-strong -pthread $(CFLAGS)
LIBS := $(shell pkg-config --libs $(PKG_NAMES)) -lm -pthread

SOURCES := $(wildcard proxy/*/*.c geoip/*.c conf/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIB     := $(BUILD)/libsextant.a
TOOLS   := $(patsubst scripts/tools/%.c,$(BUILD)/%,$(wildcard scripts/tools/*.c))
UNITS   := $(patsubst test/%.c,$(BUILD)/test/%,$(wildcard test/unit/test_*.c test/flow/test_*.c test/crash/test_*.c))
TESTERS := $(patsubst test/%.c,$(BUILD)/test/%,$(wildcard test/tools/*.c))
BENCHES := $(patsubst test/bench/%.c,$(BUILD)/bench/%,$(wildcard test/bench/*_bench.c))
LOADS   := $(patsubst test/bench/%.c,$(BUILD)/bench/%,$(filter-out %_bench.c,$(wildcard test/bench/*.c)))
FUZZERS := $(patsubst test/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
FUZZ_CC ?= $(firstword $(foreach c,clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14,$(shell command -v $c)))

all: $(if $(wildcard proxy/main.c),$(BUILD)/sextant) $(TOOLS)

$(BUILD)/sextant: $(BUILD)/obj/proxy/main.o $(LIB)
	$(CC) $(CFLAGS_ALL) -rdynamic $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(LIB): $(OBJECTS)
	rm -f $@ && $(AR) rcs $@ $(OBJECTS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The page of the admin listener is taken in by the assembler, which tells no dependencies.
$(BUILD)/obj/proxy/admin/assets.o $(BUILD)/obj-fuzz/proxy/admin/assets.o: $(wildcard proxy/admin/assets/*)

$(BUILD)/%: scripts/tools/%.c $(LIB)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS)

# What tests of one directory share is built once.
TEST_LIBS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard test/*/*_lib.c))
libs_beside = $(filter $(BUILD)/obj/test/$(dir $1)%,$(TEST_LIBS))

.SECONDEXPANSION:
$(BUILD)/test/%: test/%.c $(LIB) $$(call libs_beside,$$*)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Wno-missing-prototypes $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< \
	    $(call libs_beside,$*) $(LIB) $(shell pkg-config --libs cmocka) $(LIBS)

# The program once more, for tests that turn a rule of write fan-out off: what can do without one is compiled for it.
RULED        := $(shell grep -l rule_off.h $(SOURCES))
RULE_OBJECTS := $(RULED:%.c=$(BUILD)/obj-rules/%.o)

$(BUILD)/obj-rules/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DSEXTANT_RULES_CAN_BE_OFF $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/test/sextant-rules: $(BUILD)/obj/proxy/main.o $(RULE_OBJECTS) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -rdynamic $(LDFLAGS) -o $@ $^ $(LIBS)

unit-build: $(UNITS) test-tools
# Programs that end-to-end tests run beside the edge, or instead of it.
test-tools: $(TESTERS) $(BUILD)/test/sextant-rules
.PHONY: test-tools
unit: $(UNITS)
	BUILD=$(BUILD) scripts/unit.sh $(UNITS)

# The tests once more, in builds of their own, under the sanitizers. e2e-…: the end-to-end tests, those of E2E or all.
FLAGS_asan := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread
asan tsan:
	$(MAKE) BUILD=$(BUILD)-$@ CFLAGS="$(FLAGS_$@)" all unit
e2e-asan e2e-tsan: e2e-%:
	$(MAKE) BUILD=$(BUILD)-$* CFLAGS="$(FLAGS_$*)" all test-tools
	BUILD=$(BUILD) scripts/e2e_sanitized.sh $* $(E2E)
.PHONY: tsan e2e-asan e2e-tsan

# Fuzzers share one library of instrumented objects.
FUZZ_FLAGS = -std=c11 -g1 -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -pthread
FUZZ_LIB  := $(BUILD)/libsextant-fuzz.a

$(BUILD)/obj-fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(or $(FUZZ_CC),$(error clang is missing: scripts/deps.sh fuzz installs it)) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ_LIB): $(SOURCES:%.c=$(BUILD)/obj-fuzz/%.o)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/fuzz/%: test/fuzz/%.c $(FUZZ_LIB)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $< $(FUZZ_LIB) $(LIBS)

fuzz-build: $(FUZZERS)
fuzz: $(FUZZERS)
	BUILD=$(BUILD) scripts/fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

# Fuzzers without libFuzzer: each runs its corpus once.
REPLAYS := $(FUZZERS:$(BUILD)/fuzz/%=$(BUILD)/replay/%)

$(BUILD)/replay/%: test/fuzz/%.c test/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Wno-missing-prototypes $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< test/fuzz/replay.c $(LIB) $(LIBS)

replay-build: $(REPLAYS)

# What fuzzing found new in BUILD/fuzz/corpus becomes part of the kept corpora, as little of it as covers the same.
fuzz-keep: $(FUZZERS)
	BUILD=$(BUILD) scripts/fuzz_keep.sh $(FUZZERS)

# Lines of the parsers that unit tests and kept corpora reach.
coverage:
	$(MAKE) BUILD=$(BUILD)-cov CFLAGS="-O0 --coverage" unit-build replay-build
	BUILD=$(BUILD)-cov scripts/coverage.sh
.PHONY: fuzz-keep replay-build coverage
-include $(REPLAYS:=.d)

check:
	scripts/check.sh

format:
	scripts/check.sh reformat

# The long forms: the end-to-end tests that are marked soak, fuzzing for FUZZ_SECONDS each.
soak: all fuzz
	BUILD=$(BUILD) scripts/soak.sh

# The page of options, from the table of options.
options: $(BUILD)/options_md
	$(BUILD)/options_md >conf/OPTIONS.md.new && mv conf/OPTIONS.md.new conf/OPTIONS.md

# The page of metrics, from the table of metrics.
metrics-doc: $(BUILD)/metrics_md
	$(BUILD)/metrics_md >docs/metrics.md.new && mv docs/metrics.md.new docs/metrics.md

# The Grafana dashboard, from its list of panels.
dashboard:
	python3 scripts/dashboard.py >conf/grafana/sextant.json.new && mv conf/grafana/sextant.json.new conf/grafana/sextant.json

# The default country database: see scripts/geo.sh.
geo: $(BUILD)/geodb
	scripts/geo.sh $(GEO_DB) $(BUILD)/geodb

install: all
	install -D -m 755 $(BUILD)/sextant $(DESTDIR)$(PREFIX)/bin/sextant
	install -d $(DESTDIR)$(PREFIX)/share/doc/sextant $(DESTDIR)$(PREFIX)/share/sextant
	install -m 644 README.md CHANGELOG.md SECURITY.md LICENSE NOTICE $(wildcard docs/*.md) $(wildcard conf/OPTIONS.md) $(wildcard docs/*.webp) $(DESTDIR)$(PREFIX)/share/doc/sextant/
	$(foreach f,$(wildcard $(GEO_DB)),install -m 644 $f $(DESTDIR)$(PREFIX)/share/sextant/country.mmdb)
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d
	sed 's#/usr/local/#$(PREFIX)/#' conf/systemd/sextant.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/sextant.service
	sed 's#/usr/local/#$(PREFIX)/#' conf/systemd/sextant.env >$(DESTDIR)$(PREFIX)/share/sextant/sextant.env
	install -m 644 conf/systemd/sextant.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/sextant.socket
	install -m 644 conf/systemd/sextant.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sextant.conf
	install -m 644 conf/prometheus/alerts.yml conf/grafana/sextant.json $(DESTDIR)$(PREFIX)/share/sextant/

help:
	@sed -n '2,/^$$/s/^# *//p' Makefile

$(BUILD)/bench/%: test/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS)

# Logs that the journal is compared with: those that are installed.
LOG_PEERS := $(if $(wildcard /usr/include/sqlite3.h),$(BUILD)/bench/sqlite_load) $(if $(wildcard /usr/include/rocksdb/c.h),$(BUILD)/bench/rocksdb_load)

$(BUILD)/bench/sqlite_load $(BUILD)/bench/rocksdb_load: $(BUILD)/bench/%_load: test/bench/peers/%_load.c test/bench/journal_load.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< -l$(subst sqlite,sqlite3,$*) -lm -pthread

# BENCH_ARGS: see test/bench/bench.py --help.
bench: all $(BENCHES) $(LOADS) $(LOG_PEERS)
	BUILD=$(BUILD) python3 test/bench/bench.py --json $(BUILD)/bench/results.json $(BENCH_ARGS)

# What a request costs in instructions, system calls and allocations; PROFILE=40: and in which functions.
instructions: all
	SEXTANT_BIN=$(abspath $(BUILD))/sextant build/venv/bin/python test/bench/instructions.py $(PROFILE:%=--profile=%) $(WORKLOADS)
budget: all
	SEXTANT_BIN=$(abspath $(BUILD))/sextant build/venv/bin/python test/bench/instructions.py --write
.PHONY: instructions budget

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-cov

.PHONY: options metrics-doc dashboard all unit unit-build asan fuzz fuzz-build bench check format soak geo install help clean
-include $(OBJECTS:.o=.d) $(RULE_OBJECTS:.o=.d) $(TEST_LIBS:.o=.d) $(BUILD)/obj/proxy/main.d $(UNITS:=.d) $(TESTERS:=.d) $(TOOLS:%=%.d) $(BENCHES:=.d) $(LOADS:=.d) $(FUZZERS:=.d) $(SOURCES:%.c=$(BUILD)/obj-fuzz/%.d)
