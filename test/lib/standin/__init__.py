# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Qdrant 1.19: the same answers over HTTP from a small brute-force store, with faults on demand."""
