#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run one stand-in: qdrant_standin.py --port 0 [--control-port 0] [--port-file F] [--state-dir D] [--latency S]
[--key rw=K --key ro=K] [--distributed] [--tls CERT KEY [CA]]. With --port-file the ports are written there as JSON once both listen."""
import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from standin.server import Server  # noqa: E402


async def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--state-dir")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--tokens", action="store_true", help="jwt_rbac")
    parser.add_argument("--distributed", action="store_true", help="a cluster of one node")
    parser.add_argument("--tls", nargs="+", metavar="FILE", help="certificate, key and, if clients need one, their authority")
    args = parser.parse_args(arguments)
    state = args.state_dir or tempfile.mkdtemp(prefix="standin-")
    server = Server(state, dict(k.split("=", 1) for k in args.key), args.tokens, args.distributed)
    server.faults.set({"latency": args.latency})
    if args.tls:
        server.use_tls(*args.tls)
    await server.open(args.port)
    control = await asyncio.start_server(server.control, "127.0.0.1", args.control_port, limit=1 << 24)
    ports = {"port": server.port, "control_port": control.sockets[0].getsockname()[1]}
    if args.port_file:
        with open(args.port_file + ".new", "w", encoding="utf-8") as file:
            json.dump(ports, file)
        os.replace(args.port_file + ".new", args.port_file)
    else:
        print(json.dumps(ports), flush=True)
    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    await stop.wait()


def run(arguments):
    asyncio.run(main(arguments))


if __name__ == "__main__":
    run(None)
