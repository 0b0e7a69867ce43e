"""nats-py as a slow consumer; argument: the URL of a server that conflates `quotes.>`.

Run by clients_slow.rs. The client stands still while this process publishes over a socket of its
own without running the event loop, as a program does that is busy with something else.
"""

import asyncio
import json
import socket
import sys
from urllib.parse import urlparse

import nats

COUNT = 20_000
KEYS = 20


def publish_blocking(url, subjects):
    """Publishes numbered messages and waits until all are routed; nothing else runs meanwhile."""
    address = urlparse(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as publisher:
        reader = publisher.makefile("rb")
        assert reader.readline().startswith(b"INFO ")
        batch = [b'CONNECT {"verbose":false}\r\n']
        for number, subject in enumerate(subjects):
            batch.append(b"PUB %s 200\r\n%-200d\r\n" % (subject.encode(), number))
        batch.append(b"PING\r\n")
        publisher.sendall(b"".join(batch))
        while reader.readline() != b"PONG\r\n":
            pass


def headers_of(message):
    return message.headers or {}


async def conflated_by_a_rule(url):
    client = await nats.connect(url)
    quotes = await client.subscribe("quotes.>")
    await client.flush()
    publish_blocking(url, [f"quotes.{at % KEYS}" for at in range(COUNT)])
    received, replaced, latest = 0, 0, {}
    while received + replaced < COUNT:
        message = await quotes.next_msg(timeout=10)
        number = int(message.data)
        assert number > latest.get(message.subject, -1), message
        latest[message.subject] = number
        replaced += int(headers_of(message).get("Floodway-Conflated", 0))
        received += 1
    assert received + replaced == COUNT and replaced > COUNT / 2, (received, replaced)
    assert sorted(latest.values()) == list(range(COUNT - KEYS, COUNT)), latest
    await client.close()


async def dropped_by_request(url, report):
    client = await nats.connect(url)
    deliver = client.new_inbox()
    wish = {
        "filter": "ticks",
        "deliver": deliver,
        "overflow": {"policy": "drop-oldest"},
        "limits": {"messages": 500},
        "report": report,
    }
    reply = await client.request("$FLOODWAY.API.SUBSCRIBE", json.dumps(wish).encode(), timeout=10)
    assert json.loads(reply.data)["ok"], reply.data
    ticks = await client.subscribe(deliver)
    await client.flush()
    publish_blocking(url, ["ticks"] * COUNT)
    expected, missed, statuses = 0, 0, 0
    while expected < COUNT:
        message = await ticks.next_msg(timeout=10)
        told = headers_of(message)
        if "Floodway-Missed" in told:
            first, last = told["Floodway-Missed-Range"].split("-")
            assert int(first) == expected + 1, (told, expected)
            assert int(last) - int(first) + 1 == int(told["Floodway-Missed"]), told
            expected = int(last)
            missed += int(told["Floodway-Missed"])
        if told.get("Status") == "100":
            statuses += 1
            assert message.data == b"", message
            continue
        assert message.subject == "ticks", message
        assert int(message.data) == expected, (message, expected)
        expected += 1
    assert missed > COUNT / 2, missed
    assert (statuses > 0) == (report == "status"), statuses
    await client.close()


async def ended_by_request(url):
    client = await nats.connect(url)
    deliver = client.new_inbox()
    wish = {"filter": "ends", "deliver": deliver, "limits": {"messages": 3}, "report": "status"}
    reply = await client.request("$FLOODWAY.API.SUBSCRIBE", json.dumps(wish).encode(), timeout=10)
    assert json.loads(reply.data)["ok"], reply.data
    ends = await client.subscribe(deliver)
    await client.flush()
    publish_blocking(url, ["ends"] * COUNT)
    expected = 0
    while True:
        message = await ends.next_msg(timeout=10)
        told = headers_of(message)
        if told.get("Status") == "409":
            assert told["Floodway-End-Code"] == "out_of_capacity", told
            break
        assert int(message.data) == expected, (message, expected)
        expected += 1
    # The connection is still good.
    await client.flush()
    await client.close()


async def main(url):
    scenarios = [
        conflated_by_a_rule(url),
        dropped_by_request(url, "header"),
        dropped_by_request(url, "status"),
        ended_by_request(url),
    ]
    for scenario in scenarios:
        print(scenario.__name__, flush=True)
        await asyncio.wait_for(scenario, 30)
    print("all done", flush=True)


asyncio.run(main(sys.argv[1]))
