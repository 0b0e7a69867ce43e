"""Drives a server with nats-py, the stock Python client; argument: the server's URL.

Run by clients.rs. Every check that fails raises, and the exit code tells.
"""

import asyncio
import sys

import nats
from nats.errors import MaxPayloadError, NoRespondersError, TimeoutError


async def publish_and_subscribe(url):
    client = await nats.connect(url)
    exact = await client.subscribe("py.a.b")
    star = await client.subscribe("py.*.b")
    rest = await client.subscribe("py.>")
    for number in range(100):
        await client.publish("py.a.b", str(number).encode())
    await client.flush()
    for subscription in (exact, star, rest):
        for number in range(100):
            message = await subscription.next_msg(timeout=10)
            assert message.data == str(number).encode(), message
            assert message.subject == "py.a.b", message
    await client.close()


async def queue_group(url):
    client = await nats.connect(url)
    counts = [0, 0, 0]
    done = asyncio.get_running_loop().create_future()

    def member(at):
        async def handle(_message):
            counts[at] += 1
            if sum(counts) == 300 and not done.done():
                done.set_result(None)

        return handle

    for at in range(3):
        await client.subscribe("py.work", queue="workers", cb=member(at))
    for _ in range(300):
        await client.publish("py.work", b"x")
    await asyncio.wait_for(done, 10)
    await client.flush()
    assert sum(counts) == 300, counts
    assert min(counts) > 0, counts
    await client.close()


async def request_and_reply(url):
    client = await nats.connect(url)
    other = await nats.connect(url)

    async def answer(message):
        await message.respond(b"re: " + message.data)

    await other.subscribe("py.service", cb=answer)
    await other.flush()
    for number in range(50):
        reply = await client.request("py.service", str(number).encode(), timeout=10)
        assert reply.data == b"re: " + str(number).encode(), reply
    try:
        await client.request("py.nobody", b"", timeout=10)
    except NoRespondersError:
        pass
    else:
        raise AssertionError("a request that nobody hears was answered")
    await client.close()
    await other.close()


async def headers(url):
    client = await nats.connect(url)
    subscription = await client.subscribe("py.headers")
    await client.publish("py.headers", b"body", headers={"Trace-Id": "7", "Empty": ""})
    message = await subscription.next_msg(timeout=10)
    assert message.headers["Trace-Id"] == "7", message.headers
    assert message.data == b"body", message
    await client.close()


async def unsubscribe_and_drain(url):
    client = await nats.connect(url)
    limited = await client.subscribe("py.limited")
    await limited.unsubscribe(limit=3)
    seen = []

    async def handle(message):
        seen.append(message.data)

    await client.subscribe("py.drained", cb=handle)
    for number in range(10):
        await client.publish("py.limited", str(number).encode())
        await client.publish("py.drained", str(number).encode())
    for number in range(3):
        message = await limited.next_msg(timeout=10)
        assert message.data == str(number).encode(), message
    try:
        await limited.next_msg(timeout=0.2)
    except (TimeoutError, nats.errors.BadSubscriptionError, nats.errors.ConnectionClosedError):
        pass
    else:
        raise AssertionError("more than the limit was delivered")
    await client.drain()
    assert len(seen) == 10, seen


async def large_payload(url):
    client = await nats.connect(url)
    subscription = await client.subscribe("py.large")
    payload = bytes(range(256)) * (client.max_payload // 256)
    await client.publish("py.large", payload)
    message = await subscription.next_msg(timeout=10)
    assert message.data == payload, len(message.data)
    try:
        await client.publish("py.large", payload + b"x")
    except MaxPayloadError:
        pass
    else:
        raise AssertionError("a payload above the limit was taken")
    await client.close()


async def main(url):
    scenarios = [
        publish_and_subscribe,
        queue_group,
        request_and_reply,
        headers,
        unsubscribe_and_drain,
        large_payload,
    ]
    for scenario in scenarios:
        print(scenario.__name__, flush=True)
        await asyncio.wait_for(scenario(url), 30)
    print("all done", flush=True)


asyncio.run(main(sys.argv[1]))
