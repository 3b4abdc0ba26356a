# SPDX-License-Identifier: Apache-2.0
#
#   make            build/sextant and the tools
#   make unit       unit and flow tests            make check   format, layers, limits, clang-tidy, cppcheck
#   make asan       the tests under ASan + UBSan   make fuzz    every fuzzer for FUZZ_SECONDS each
#   make install    DESTDIR, PREFIX                make soak    the long forms of the end-to-end tests
#   make bench      what decisions cost

BUILD   ?= build
CC      ?= cc
PREFIX  ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
VERSION := 0.1.0

PKGS := libevent_core:2.1.12 libevent_pthreads:2.1.12 libllhttp:9.2.1 yyjson:0.10.0 libmaxminddb:1.7.1 libcares:1.18.1 \
        zlib:1.2.13 libbrotlidec:1.0.9 libzstd:1.5.4
PKG_NAMES := $(foreach p,$(PKGS),$(firstword $(subst :, ,$p)))

ifeq ($(filter clean help format,$(MAKECMDGOALS)),)
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
CFLAGS_ALL = -std=c11 $(WARN) -fno-strict-aliasing -fstack-protector-strong -fno-omit-frame-pointer -pthread $(CFLAGS)
LIBS := $(shell pkg-config --libs $(PKG_NAMES)) -lm -pthread

SOURCES := $(wildcard proxy/*/*.c geoip/*.c conf/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIB     := $(BUILD)/libsextant.a
TOOLS   := $(patsubst scripts/tools/%.c,$(BUILD)/%,$(wildcard scripts/tools/*.c))
UNITS   := $(patsubst test/%.c,$(BUILD)/test/%,$(wildcard test/unit/test_*.c test/flow/test_*.c))
BENCHES := $(patsubst test/bench/%.c,$(BUILD)/bench/%,$(wildcard test/bench/*.c))
FUZZERS := $(patsubst test/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
FUZZ_CC ?= $(firstword $(shell command -v clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14))

all: $(if $(wildcard proxy/main.c),$(BUILD)/sextant) $(TOOLS)

$(BUILD)/sextant: $(BUILD)/obj/proxy/main.o $(LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(LIB): $(OBJECTS)
	rm -f $@ && $(AR) rcs $@ $(OBJECTS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/%: scripts/tools/%.c $(LIB)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS)

$(BUILD)/test/%: test/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Wno-missing-prototypes $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(wildcard $(dir $<)*_lib.c) $(LIB) \
	    $(shell pkg-config --libs cmocka) $(LIBS)

unit-build: $(UNITS)
unit: $(UNITS)
	BUILD=$(BUILD) scripts/unit.sh $(UNITS)

# The tests once more, in a build of their own, under the sanitizers.
asan:
	$(MAKE) BUILD=$(BUILD)-asan CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" all unit

$(BUILD)/fuzz/%: test/fuzz/%.c $(SOURCES)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -pthread -o $@ \
	    $< $(SOURCES) $(LIBS)

fuzz-build: $(FUZZERS)
fuzz: $(FUZZERS)
	scripts/fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

$(BUILD)/bench/%: test/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS)

bench: $(BENCHES)
	for b in $(BENCHES); do $$b || exit 1; done

clean:
	rm -rf $(BUILD) $(BUILD)-asan

.PHONY: all unit unit-build asan fuzz fuzz-build bench clean
-include $(OBJECTS:.o=.d) $(BUILD)/obj/proxy/main.d $(UNITS:=.d) $(TOOLS:%=%.d)
