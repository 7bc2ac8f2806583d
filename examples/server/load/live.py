"""Taps while a command runs: `live.py HOST:PORT TARGETS COMMAND…` prints the answers and how long they took."""

import http.client
import json
import subprocess
import sys
import threading
import time

CONNECTIONS = 4
PAUSE = 0.002


def main() -> None:
    address, targets, *command = sys.argv[1:]
    with open(targets, encoding="ascii") as file:
        lines = file.read().split()
    # The taps of a tag must arrive in order, so all taps of a tag use one connection.
    tags = len({line.split("&")[0] for line in lines})
    done = threading.Event()
    times, answers = [], {}

    def tap(part: int) -> None:
        connection = http.client.HTTPConnection(address)
        for number, line in enumerate(lines):
            if number % tags % CONNECTIONS != part:
                continue
            if done.is_set():
                return
            start = time.perf_counter()
            connection.request("GET", line)
            reply = connection.getresponse()
            body = reply.read()
            times.append(time.perf_counter() - start)
            word = json.loads(body).get("response", "") if reply.status == 200 else ""
            answers[reply.status, word] = answers.get((reply.status, word), 0) + 1
            time.sleep(PAUSE)

    threads = [threading.Thread(target=tap, args=(part,)) for part in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    status = subprocess.call(command)
    took = time.perf_counter() - start
    done.set()
    for thread in threads:
        thread.join()
    times.sort()
    print(f"import beside taps: {took:.1f} s, exit code {status}; taps by status and response: {answers}")
    at = lambda share: 1000 * times[min(int(share * len(times)), len(times) - 1)]
    print(f"taps: p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, slowest {at(1):.1f} ms")


main()
