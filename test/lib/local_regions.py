# SPDX-License-Identifier: Apache-2.0
"""Stand-ins of which one process beside this one holds as many as are asked for: none takes time to start. It ends with this one.
What others ask through their control port is asked through its standard input."""
import asyncio
import json
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


class Host:
    """The process, as it is spoken to: one JSON object a line."""
    instance, lock = None, threading.Lock()

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    @classmethod
    def call(cls, **question):
        with cls.lock:
            cls.instance = cls.instance or cls()
            return cls.instance.ask(question)


class LocalRegion:
    """What a test needs of sextant.Region."""
    is_real = False

    def __init__(self, name, directory, keys=None):
        self.name, self.directory, self.keys, self.port, self.number = name, str(directory), keys or {}, 0, None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        opened = Host.call(open=self.directory, keys=self.keys)
        self.number, self.port = opened["number"], opened["port"]
        return self

    def control(self, **command):
        return Host.call(number=self.number, command=command)

    def faults(self, **values):
        return self.control(faults=values)

    def pause(self):
        self.control(pause=True)

    def resume(self):
        self.control(pause=False)

    def kill(self):
        if self.number is not None:
            Host.call(number=self.number, end=True)
            self.number = None


# --- in the process -----------------------------------------------------------------------------------------------------

class Servers:
    def __init__(self):
        from standin.server import Server
        self.make, self.all, self.n = Server, {}, 0

    async def answer(self, question):
        if "open" in question:
            self.n += 1
            server = self.all[self.n] = self.make(question["open"], question["keys"])
            await server.open(0)
            return {"number": self.n, "port": server.port}
        server = self.all[question["number"]]
        if question.get("end"):
            await server.close()
            server.cut()
            del self.all[question["number"]]
            return {}
        return await server.command(question["command"])


async def serve():
    loop, servers = asyncio.get_running_loop(), Servers()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        try:
            answer = await servers.answer(json.loads(line))
        except Exception as error:
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve())
