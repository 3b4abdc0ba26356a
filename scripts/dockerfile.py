#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a container engine does with a Dockerfile, for scripts/check-dockerfile.sh. `build` runs its steps, each stage in a root
of its own, and writes image.json beside the last one; `try` starts the image as a container and puts it to the test.
Instructions that the Dockerfile has no use for are refused, not passed over."""
import argparse
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

SLIM = "debian:13-slim"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def say(text):
    print(text, flush=True)


# --- reading ---------------------------------------------------------------------------------------------------------

def steps_of(text):
    """(instruction, arguments) of each step; comments and continued lines as the reference says."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*#", line)]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    return [(m.group(1).upper(), m.group(2).strip()) for m in re.finditer(r"^\s*(\w+)\s+(.*)$", joined, re.M)]


def expand(text, values):
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m.group(1) or m.group(2), ""), text)


def pairs_of(text, values):
    return {k: expand(v, values) for k, _, v in (part.partition("=") for part in shlex.split(text))}


def words_of(text):
    """The JSON form, or None: the shell's."""
    return json.loads(text) if text.startswith("[") else None


def flags_of(text):
    flags = {}
    while match := re.match(r"--(\w[\w-]*)(?:=(\S+))?\s+", text):
        flags[match.group(1)] = match.group(2) or "true"
        text = text[match.end():]
    return flags, text


def is_ignored(path, patterns):
    """As .dockerignore has it: the last pattern that fits the path or a folder above it decides."""
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    for pattern in patterns:
        keep, pattern = pattern.startswith("!"), pattern.lstrip("!").strip("/")
        fits = [pattern] + ([pattern[3:]] if pattern.startswith("**/") else [])
        if any(p.count("/") == q.count("/") and fnmatch.fnmatchcase(p, q) or "**" in q and fnmatch.fnmatchcase(p, q)
               for p in above for q in fits):
            ignored = not keep
    return ignored


def context_of(root):
    """Files of the build context, sorted."""
    with open(os.path.join(root, ".dockerignore"), encoding="utf-8") as file:
        patterns = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    found = []
    for folder, folders, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        folders[:] = [f for f in folders if f not in (".git", "build", "node_modules") and not f.startswith("build-")]
        found += [os.path.normpath(os.path.join(inside, f)) for f in files]
    return sorted(f for f in found if not is_ignored(f, patterns))


# --- building --------------------------------------------------------------------------------------------------------

class Stage:
    def __init__(self, root):
        self.root, self.env, self.args, self.user, self.directory = root, {"PATH": PATH}, {}, "0", "/"
        self.labels, self.ports, self.volumes = {}, [], []
        self.stop, self.health, self.entrypoint, self.command = "SIGTERM", None, None, None

    def inside(self, path):
        return os.path.normpath(self.root + "/" + os.path.join(self.directory, path))

    def described(self):
        return {k: v for k, v in vars(self).items() if k != "args"}


def in_root(root, script):
    """Run a script of this machine's shell in namespaces of its own, with what a builder mounts."""
    mounts = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && mount -t tmpfs tmpfs {root}/tmp"
    resolv = f"cp /etc/resolv.conf {root}/etc/resolv.conf 2>/dev/null; "
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", f"{resolv}{mounts}\n{script}"], check=True)


def run_step(stage, arguments):
    argv = words_of(arguments) or ["/bin/sh", "-c", arguments]
    inner = f"cd {shlex.quote(stage.directory)} && exec {shlex.join(argv)}"
    env = [f"{k}={v}" for k, v in {**stage.args, **stage.env, "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}.items()]
    who = [] if stage.user == "0" else ["--userspec", stage.user]
    in_root(stage.root, shlex.join(["exec", "env", "-i", *env, "chroot", *who, stage.root, "/bin/sh", "-ec", inner]))


def copy_step(stage, stages, context, arguments):
    flags, rest = flags_of(arguments)
    assert set(flags) <= {"from", "chown", "chmod"}, flags
    *sources, target = words_of(rest) or shlex.split(rest)
    place = stage.inside(target)
    for source in sources:
        if "from" in flags:
            origin = stages[flags["from"]].root + "/" + source
            copy_tree(origin, place)
            continue
        base = os.path.normpath(source)
        files = [f for f in context if base == "." or f == base or f.startswith(base + "/")]
        assert files, f"COPY {source}: nothing of that name is in the context"
        for file in files:
            under = os.path.relpath(file, base) if file != base else os.path.basename(file)
            to = os.path.join(place, under) if file != base or target.endswith("/") else place
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copy2(file, to)
            os.chown(to, 0, 0)
    if "chown" in flags:
        assert "from" in flags and target != "/", "--chown is understood for folders of their own"
        subprocess.run(["chown", "-R", flags["chown"], place], check=True)


def copy_tree(origin, place):
    """A folder's content, as COPY does it: what is there stays, links stay links."""
    if os.path.isdir(origin):
        os.makedirs(place, exist_ok=True)
        subprocess.run(["cp", "-a", origin.rstrip("/") + "/.", place], check=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        subprocess.run(["cp", "-a", origin, place], check=True)


def note_step(stage, word, arguments):
    """Steps that only describe."""
    values = {**stage.args, **stage.env}
    if word == "ENV":
        stage.env.update(pairs_of(arguments, values))
    elif word == "ARG":
        stage.args.update(pairs_of(arguments, values))
    elif word == "LABEL":
        stage.labels.update(pairs_of(arguments, values))
    elif word == "USER":
        stage.user = arguments
    elif word == "WORKDIR":
        stage.directory = os.path.join(stage.directory, arguments)
        os.makedirs(stage.inside("."), exist_ok=True)
    elif word == "EXPOSE":
        stage.ports += [int(p) for p in arguments.split()]
    elif word == "VOLUME":
        stage.volumes += words_of(arguments) or arguments.split()
    elif word == "STOPSIGNAL":
        stage.stop = arguments
    elif word == "HEALTHCHECK":
        flags, rest = flags_of(arguments)
        stage.health = {"flags": flags, "command": words_of(rest.removeprefix("CMD").strip())}
    elif word in ("ENTRYPOINT", "CMD"):
        setattr(stage, "entrypoint" if word == "ENTRYPOINT" else "command", words_of(arguments))
    else:
        raise SystemExit(f"{word} is not understood")


def begin_stage(arguments, stages, options):
    name, _, alias = arguments.partition(" AS ")
    root = os.path.join(options.work, alias or "image")
    os.makedirs(root)
    if name == SLIM:
        copy_tree(options.base, root)
    elif name != "scratch":
        copy_tree(stages[name].root, root)
    return alias or "image", Stage(root)


class Kept:
    """The first stage as it is before the sources come in: what was there when the same steps ran before."""

    def __init__(self, options):
        self.folder, self.key, self.is_open = os.path.join(options.keep, "kept"), hashlib.sha256(), True

    def reuse(self, stage, arguments):
        """Run the step, or take its outcome from last time."""
        self.key.update(f"RUN {arguments}\0{stage.env}\0".encode())
        mark = os.path.join(self.folder, self.key.hexdigest())
        if not self.is_open or not os.path.exists(mark):
            run_step(stage, arguments)
            return self.is_open and self.keep(stage, mark)
        say("    as kept from before")
        shutil.rmtree(stage.root)
        return copy_tree(os.path.join(self.folder, "root"), stage.root)

    def keep(self, stage, mark):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        copy_tree(stage.root, os.path.join(self.folder, "root"))
        with open(mark, "w", encoding="utf-8"):
            pass


def build(options):
    context, stages, kept, stage = context_of("."), {}, Kept(options), None
    with open("Dockerfile", encoding="utf-8") as file:
        steps = steps_of(file.read())
    for word, arguments in steps:
        say(f"  {word} {re.sub(r'  +', ' ', arguments)[:100]}")
        if word == "FROM":
            name, stage = begin_stage(arguments, stages, options)
            stages[name] = stage
        elif word == "RUN":
            kept.reuse(stage, arguments)
        elif word == "COPY":
            kept.is_open = False
            copy_step(stage, stages, context, arguments)
        else:
            note_step(stage, word, arguments)
    with open(os.path.join(options.work, "image.json"), "w", encoding="utf-8") as file:
        json.dump(stage.described(), file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["build", "try", "enter"])
    parser.add_argument("--base")
    parser.add_argument("--keep")
    parser.add_argument("--work", required=True)
    parser.add_argument("--argv", type=json.loads)
    options = parser.parse_args()
    if options.what == "build":
        build(options)
        return
    import dockerfile_try  # pylint: disable=import-outside-toplevel
    sys.exit(dockerfile_try.enter(options) if options.what == "enter" else dockerfile_try.try_out(options))


if __name__ == "__main__":
    main()
