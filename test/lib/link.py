# SPDX-License-Identifier: Apache-2.0
"""The line between two edges: what comes to its port goes to wherever `target` says that the other one listens now. It can be cut,
refused, and made to stand still, and it can swallow what comes back."""
import asyncio
import threading


class Loop:
    """One thread for all links."""
    instance, lock = None, threading.Lock()

    @classmethod
    def get(cls):
        with cls.lock:
            if not cls.instance:
                cls.instance = asyncio.new_event_loop()
                threading.Thread(target=cls.instance.run_forever, daemon=True).start()
            return cls.instance


class Link:
    FAULTS = ("cut", "refuse", "stall", "swallow", "halve")

    def __init__(self, target):
        self.target, self.loop, self.pairs, self.tasks = target, Loop.get(), set(), set()
        self.is_refusing = self.is_swallowing = False
        self.n_halved = 0  # answers of which only a part is to pass
        self.run(self.open())

    def run(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def open(self):
        self.flows = asyncio.Event()
        self.flows.set()
        self.listener = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]

    # --- faults ---------------------------------------------------------------------------------------------------------

    async def cut_all(self):
        for writer in list(self.pairs):
            writer.transport.abort()

    async def set(self, **values):
        for name, value in values.items():
            setattr(self, name, value)

    async def flow(self, does):
        (self.flows.set if does else self.flows.clear)()

    def begin(self, fault):
        if fault == "cut":
            self.run(self.cut_all())
        elif fault == "refuse":
            self.run(self.set(is_refusing=True))
            self.run(self.cut_all())
        elif fault == "stall":
            self.run(self.flow(False))
        elif fault == "swallow":
            self.run(self.set(is_swallowing=True))
        else:
            self.run(self.set(n_halved=1))

    def end(self):
        """All is well again. What was swallowed is lost with its connection."""
        if self.is_swallowing:
            self.run(self.cut_all())
        self.run(self.set(is_refusing=False, is_swallowing=False, n_halved=0))
        self.run(self.flow(True))

    async def shut(self):
        self.listener.close()
        await self.cut_all()
        while self.tasks:  # else they would be pending when the loop's thread ends
            await asyncio.wait(self.tasks)

    def close(self):
        self.run(self.flow(True))
        self.run(self.set(is_refusing=True))
        self.run(self.shut())

    # --- passing on -----------------------------------------------------------------------------------------------------

    async def connected(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            await self.join(reader, writer)
        finally:
            self.tasks.discard(asyncio.current_task())

    async def join(self, reader, writer):
        try:
            if self.is_refusing:
                raise ConnectionRefusedError
            there, back = await asyncio.open_connection("127.0.0.1", self.target())
            if self.is_refusing:  # by now
                back.transport.abort()
                raise ConnectionRefusedError
        except OSError:
            writer.transport.abort()
            return
        self.pairs |= {writer, back}
        tasks = [asyncio.ensure_future(self.pump(reader, back, False)), asyncio.ensure_future(self.pump(there, writer, True))]
        self.tasks.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:  # what one side has not got when the other leaves it never gets
            task.cancel()
            self.tasks.discard(task)
        for end in (writer, back):
            self.pairs.discard(end)
            end.transport.abort()

    async def pump(self, reader, writer, is_answer):
        try:
            while piece := await reader.read(1 << 16):
                await self.flows.wait()
                if is_answer and self.is_swallowing:
                    continue
                if is_answer and self.n_halved:
                    self.n_halved -= 1
                    writer.write(piece[:len(piece) // 2])
                    await writer.drain()
                    return
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
