#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP link with the round-trip time of a WAN, for the tour: what goes in on one port comes out on another, later.

    wan_link.py --listen PORT --to PORT --rtt-ms MS

Each direction is late by half the time; a new connection is late by a whole one more, as a handshake is. Bandwidth is not
limited. When the far end refuses or resets, the near end is reset. Kill it, and everything that uses it sees resets.
"""
import argparse
import asyncio
import socket
import struct


def reset(writer):
    """Close with RST instead of FIN."""
    if not writer.transport.is_closing():  # else its socket may be gone already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Link:
    def __init__(self, to_port, rtt_s):
        self.to_port = to_port
        self.rtt_s = rtt_s

    async def read(self, reader, late):
        """Note when each piece may go on; reading never waits for the writing of what came before."""
        data = b"-"
        while data:
            data = await reader.read(65536)
            await late.put((asyncio.get_running_loop().time() + self.rtt_s / 2, data))

    async def deliver(self, late, writer):
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    async def accept(self, reader, writer):
        far = None
        try:
            await asyncio.sleep(self.rtt_s)
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.to_port)
            async with asyncio.TaskGroup() as group:  # one that fails ends the others
                for source, sink in ((reader, far), (far_reader, writer)):
                    late = asyncio.Queue(maxsize=64)
                    group.create_task(self.read(source, late))
                    group.create_task(self.deliver(late, sink))
            far.close()
            writer.close()
        except* OSError:
            reset(writer)
            if far is not None:
                reset(far)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--rtt-ms", type=float, required=True)
    args = parser.parse_args()
    link = Link(args.to, args.rtt_ms / 1000)
    server = await asyncio.start_server(link.accept, "127.0.0.1", args.listen)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
