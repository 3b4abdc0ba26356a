# SPDX-License-Identifier: Apache-2.0
"""What proxy/obs/metrics.def says."""
import functools
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TYPES = {"COUNTER": "counter", "TOTAL": "counter", "LEVEL": "gauge", "GAUGE": "gauge", "HISTOGRAM": "histogram"}


def source(name):
    with open(os.path.join(ROOT, "proxy", "obs", name), encoding="utf-8") as file:
        return file.read()


@functools.cache
def metrics():
    """{name: (type, names of labels, help)}"""
    labels = dict(re.findall(r'^LABELS\((\w+),.*"(.*)"\)$', source("metrics_labels.def"), re.M))
    lines = re.findall(r'^(\w+)\(\w+, +(\w+), +"(\w+)", "(.+?)", ".*"\)$', source("metrics.def"), re.M)
    return {name: (TYPES[kind], tuple(filter(None, labels[on].split(","))), text) for kind, on, name, text in lines}
