#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long forms: end-to-end tests marked `soak` (pytest -m soak), against a binary built with the sanitizers where the tests
# ask for one. Arguments go to pytest. SOAK_REQUESTS says how many requests (default: a million).
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
scripts/deps.sh test
make -j"$(cores)" all
make -j"$(cores)" BUILD=build-asan CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" all
SOAK_REQUESTS=${SOAK_REQUESTS:-1000000} exec build/venv/bin/python -m pytest -q -m soak test "$@"
