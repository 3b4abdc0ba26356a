#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules about the text of the sources that no kept tool checks: layers, third-party includes, limits, banned calls.

    check_rules.py [ROOT]     prints FILE:LINE: RULE: what is wrong; exits 1 if there was anything

Each rule is a function `rule_<name>(source, complain)`; comments and strings are blanked before any rule reads the code.
scripts/check_selftest.sh feeds every rule a tree that breaks it: a rule without such a case is not finished.
"""
import os
import re
import sys

# Folder → layer. A file includes its own folder and lower layers; equal layers may not include each other.
LAYERS = {
    "proxy/base": 0, "geoip": 1, "conf": 2, "proxy/obs": 3, "proxy/net": 3, "proxy/http": 3, "proxy/store": 4, "proxy/route": 4,
    "proxy/upstream": 5, "proxy/sync": 6, "proxy/flow": 7, "proxy/admin": 8, "proxy/ctl": 8, "proxy/server": 9, "proxy": 10, "scripts/tools": 11,
}
# Third-party header (a regular expression on what stands between < and >) → the one place that may include it, and what tests it.
LIBRARIES = {
    r"event2/.*|event\.h": "proxy/net/",
    r"ares(_\w+)?\.h": "proxy/net/resolver.c",
    r"openssl/(evp|hmac|core_names|params|crypto)\.h": "proxy/base/digest.c",
    r"openssl/.*": ("proxy/net/", "test/unit/tls_lib.c", "test/bench/"),
    r"llhttp\.h": "proxy/http/h1_parse.c",
    r"yyjson\.h": "proxy/base/json.c",
    r"maxminddb(_\w+)?\.h": "geoip/geo_db.c",
    r"zlib\.h|brotli/.*|zstd\w*\.h": "proxy/http/coding.c",
    r"cmocka\w*\.h": "test/",
    r"sqlite3\.h|rocksdb/.*": "test/bench/",
    r"uthash\.h|utlist\.h|utarray\.h|xxhash\.h": "",  # header-only: free
}
SYSTEM = re.compile(
    r"(assert|ctype|dirent|elf|endian|errno|execinfo|fcntl|fenv|float|fnmatch|getopt|glob|ifaddrs|inttypes|libgen|limits|link|locale|malloc|math|netdb"
    r"|poll|pthread|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn"
    r"|string|strings|syslog|termios|threads|time|unistd|wchar|wctype|(arpa|linux|net|netinet|sys)/\w+)\.h")

BANNED = "sprintf vsprintf strcpy strcat strtok atoi atol atof rand srand localtime gmtime system popen usleep gets".split()
HEAP = "malloc calloc realloc reallocarray free strdup strndup aligned_alloc posix_memalign".split()
# Pure files decide and never act: no I/O, no clock, no loop, no log. ('!' takes a file out again, with the reason.)
PURE = re.compile(
    r"geoip/(geo_trie|geo_place|mmdb_writer)\w*\.[ch]|conf/(value|topology|partition_map|regions?|area|keys|cluster_options)\w*\.[ch]"
    r"|proxy/http/(message|h1_parse|h1_write|coding|trace)\w*\.[ch]|proxy/route/(?!world)\w+\.[ch]|proxy/flow/retry\w*\.[ch]"
    r"|proxy/upstream/(health|balance|limit)\w*\.[ch]|proxy/sync/(point|touch|record|marks|state|outcome|notes|tenure|identities)\w*\.[ch]")
ACTS = ("fopen fdopen fread fwrite open openat read write pread pwrite socket connect accept send recv sendmsg recvmsg sendto recvfrom "
        "time clock gettimeofday clock_gettime clock_mono_us clock_boot_us clock_wall_us getrandom nanosleep printf fprintf puts").split()

LIMITS = {"function": 60, "nesting": 3, "file": 500, "header": 200}
CAPS = {"function": 120, "nesting": 4, "file": 700, "header": 300}  # no exception goes beyond

# Paths of somebody's machine, and names of hosts that belong in the machine's own configuration.
PRIVATE = re.compile(
    r"/work/(?:wt|main|shared|[.])|/root[/]|/home/[a-z]|/Users/[A-Z]|[.][.]/shared/"
    r"|deb[.]debian[.]org|archive[.]ubuntu[.]com|snapshot[.]debian|pypi[.]org|files[.]pythonhosted|registry[.]npmjs")

SKIP_FOLDERS = {".git", "__pycache__", "node_modules", "corpus", "recordings"}
SPDX_NAMES = re.compile(r".*\.(c|h|def|inc|sh|py|js|mjs|ts|awk)|Makefile|Dockerfile|\.ci/run")
TEXT_NAMES = re.compile(r".*\.(c|h|def|inc|sh|py|js|mjs|ts|md|txt|json|yml|yaml|toml|map|env|cfg|ini)"
                        r"|(.*/)?(Makefile|Dockerfile|NOTICE|run|\.clang-\w+|\.gitignore)")


def blank(text):
    """The text with comments and the insides of strings blanked; lines and columns stay."""
    def replace(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", replace, text, flags=re.S)


class Source:
    def __init__(self, root, path):
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            self.text = file.read()
        self.path = path
        self.folder = os.path.dirname(path)
        self.is_c = path.endswith((".c", ".h"))
        self.code = blank(self.text) if self.is_c or path.endswith((".def", ".inc")) else self.text
        self.raw_lines = self.text.split("\n")
        self.lines = self.code.split("\n")

    def includes(self):
        """(line, quoted?, name); names are read from the raw text, as strings are blanked in the code."""
        for number, line in enumerate(self.lines, 1):
            if re.match(r"\s*#\s*include", line):
                match = re.match(r"\s*#\s*include\s*([<\"])([^>\"]*)", self.raw_lines[number - 1])
                yield number, match and match.group(1) == '"', match.group(2) if match else ""

    def calls(self, names):
        pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
        for number, line in enumerate(self.lines, 1):
            for match in pattern.finditer(line):
                if line[0].isspace() or line[0] == "#":  # at the margin stand declarations
                    yield number, match.group(1)

    def functions(self):
        """(name, first line, lines): from the line with the name to the closing brace, as the formatter lays them out."""
        start = None
        for number, line in enumerate(self.lines, 1):
            if line.startswith("{") and start is None:
                start = number
                while start > 1 and not re.match(r"[A-Za-z_]", self.lines[start - 1]):
                    start -= 1
            elif line.startswith("}") and start is not None:
                match = re.search(r"(\w+)\s*\(", self.lines[start - 1])
                if match:
                    yield match.group(1), start, self.lines[start - 1:number]
                start = None


def layer_of(folder):
    return LAYERS.get(folder, LAYERS["scripts/tools"] if folder.startswith("scripts") else None)


def deepest(body):
    """Nesting of statements by their indentation (the formatter's), continuation lines and initialisers left out."""
    level, parens, starts, is_list = 0, 0, True, 0
    for line in body[body.index("{") + 1 if "{" in body else 1:-1]:
        code = line.strip()
        if not code or code.startswith("#"):
            continue
        if starts and not is_list and parens == 0 and not re.match(r"}|(case\b.*|default\s*|\w+\s*):$", code):
            level = max(level, (len(line) - len(line.lstrip())) // 4 - 1)
        parens += code.count("(") - code.count(")")
        if is_list or re.search(r"=\s*{|\)\s*{[^{]*[^;{]$", code):
            is_list = max(0, is_list + code.count("{") - code.count("}"))
        header = re.match(r"(} )?(if|for|while|switch|else if|[A-Z_]+_(FOREACH|ITER)\w*|HASH_ITER)\b.*\)$|(} )?else$|do$", code)
        starts = parens == 0 and (code[-1] in ";{}:" or header is not None)
    return level


def rule_layer(source, complain):
    """Includes are by full path and point to the own folder or down."""
    mine = layer_of(source.folder)
    for number, quoted, name in source.includes():
        if not quoted:
            continue
        folder = os.path.dirname(name)
        if source.folder.startswith("test"):
            continue
        if folder not in LAYERS:
            complain(number, f"include \"{name}\" by its full path from the root of the repository")
        elif mine is None:
            complain(number, f"the folder {source.folder} has no layer: add it to LAYERS")
        elif folder != source.folder and LAYERS[folder] >= mine:
            complain(number, f"{source.folder} may not include {folder}: layers point down")


def rule_library(source, complain):
    """Each third-party library is included in one place."""
    for number, quoted, name in source.includes():
        if quoted or SYSTEM.fullmatch(name):
            continue
        place = next((where for pattern, where in LIBRARIES.items() if re.fullmatch(pattern, name)), None)
        if place is None:
            complain(number, f"<{name}> is neither a system header nor a library that was decided on")
            continue
        places = place if isinstance(place, tuple) else (place,)
        if not any(source.path.startswith(p) if p.endswith("/") or not p else source.path == p for p in places):
            complain(number, f"only {places[0]} may include <{name}>")


def rule_banned(source, complain):
    for number, name in source.calls(BANNED):
        if name != "popen" or not source.path.startswith("test/"):
            complain(number, f"{name} is banned")


def rule_getenv(source, complain):
    if not source.path.startswith(("conf/", "test/")):
        for number, name in source.calls(["getenv", "secure_getenv"]):
            complain(number, f"{name} outside conf/")


def rule_heap(source, complain):
    if not source.path.startswith(("proxy/base/", "test/")):
        for number, name in source.calls(HEAP):
            complain(number, f"{name} outside proxy/base: use mem_*")


def rule_if(source, complain):
    """No #if outside base/, the guard of a header apart: pick files and check versions in the Makefile."""
    if source.path.startswith("proxy/base/"):
        return
    seen = 0
    for number, line in enumerate(source.lines, 1):
        match = re.match(r"\s*#\s*(if|ifdef|ifndef)\b", line)
        if match:
            seen += 1
            is_guard = source.path.endswith(".h") and seen == 1 and match.group(1) == "ifndef"
            if not is_guard:
                complain(number, f"#{match.group(1)} outside proxy/base")


def rule_guard(source, complain):
    """A header's guard is named after its path, so that no two headers share one."""
    if source.path.endswith(".h"):
        name = re.sub(r"\W", "_", re.sub(r"^proxy/", "", source.path)).upper()
        want = f"SEXTANT_{name}"
        if not re.search(rf"^#ifndef {want}\n#define {want}$", source.code, re.M):
            complain(1, f"guard {want} missing")


def rule_pure(source, complain):
    if PURE.fullmatch(source.path):
        for number, name in source.calls(ACTS):
            complain(number, f"{name} in a pure file")
        for number, quoted, name in source.includes():
            if quoted and name.startswith(("proxy/net/", "proxy/obs/", "proxy/base/clock")):
                complain(number, f"{name} in a pure file")


def rule_limit(source, complain):
    """Measured here, judged in judge_limits(), which knows the exceptions."""
    kind = "header" if source.path.endswith(".h") else "file"
    complain(1, (kind, source.path, len(source.raw_lines) - 1))
    for name, first, body in source.functions():
        complain(first, ("function", f"{source.path}:{name}", len(body)))
        complain(first, ("nesting", f"{source.path}:{name}", deepest(body)))


def rule_spdx(source, complain):
    if SPDX_NAMES.fullmatch(source.path) and not any("SPDX-License-Identifier: Apache-2.0" in l for l in source.raw_lines[:3]):
        complain(1, "no SPDX-License-Identifier line at the top")


def rule_private(source, complain):
    for number, line in enumerate(source.raw_lines, 1):
        match = PRIVATE.search(line)
        if match:
            complain(number, f"\"{match.group(0)}\" belongs to a machine or a registry, not into the project")


C_RULES = [rule_layer, rule_library, rule_banned, rule_getenv, rule_heap, rule_if, rule_guard, rule_pure, rule_limit]
TEXT_RULES = [rule_spdx, rule_private]


def read_exceptions(root, complain):
    """scripts/limits.txt: KIND WHAT VALUE REASON…; WHAT is a path or path:function."""
    table, path = {}, os.path.join(root, "scripts/limits.txt")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip() or line.startswith("#"):
                    continue
                words = line.split(None, 3)
                if len(words) < 4 or words[0] not in LIMITS or not words[2].isdigit():
                    complain("scripts/limits.txt", number, "limit", "an exception is: KIND WHAT VALUE REASON")
                elif int(words[2]) > CAPS[words[0]]:
                    complain("scripts/limits.txt", number, "limit", f"no {words[0]} goes beyond {CAPS[words[0]]}, whatever the reason")
                else:
                    table[words[0], words[1]] = [int(words[2]), number]
    return table


def judge_limits(root, measured, complain):
    """Over the limit: only as an exception says. An exception larger than what it is for shrinks, or goes."""
    exceptions = read_exceptions(root, complain)
    for path, line, (kind, what, value) in measured:
        allowed, number = exceptions.pop((kind, what), (None, 0))
        if allowed is None and value > LIMITS[kind]:
            complain(path, line, "limit", f"{kind} {what} is {value}, the limit is {LIMITS[kind]}")
        elif allowed is not None and value > allowed:
            complain(path, line, "limit", f"{kind} {what} is {value}, its exception ends at {allowed}")
        elif allowed is not None and value < allowed:
            advice = "remove the exception" if value <= LIMITS[kind] else f"lower the exception to {value}"
            complain("scripts/limits.txt", number, "limit", f"{kind} {what} is {value} now: {advice}")
    for (kind, what), (_, number) in exceptions.items():
        complain("scripts/limits.txt", number, "limit", f"{kind} {what} does not exist: remove the exception")


def walk(root):
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIP_FOLDERS and not re.match(r"build(-.*)?$", n))
        for name in sorted(files):
            yield os.path.relpath(os.path.join(folder, name), root)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    complaints, measured = [], []
    for path in walk(root):
        if not TEXT_NAMES.fullmatch(path):
            continue
        source = Source(root, path)
        for rule in (C_RULES if source.is_c else []) + TEXT_RULES:
            def complain(line, what, rule=rule, path=path):
                if isinstance(what, tuple):
                    measured.append((path, line, what))
                else:
                    complaints.append(f"{path}:{line}: {rule.__name__[5:]}: {what}")
            rule(source, complain)
    judge_limits(root, measured, lambda path, line, rule, what: complaints.append(f"{path}:{line}: {rule}: {what}"))
    print("\n".join(complaints) if complaints else f"rules: {len(measured)} measures, nothing to complain about")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
