"""What programs do with redis.asyncio: prints what each answers. HOST PORT PROTOCOL"""
import asyncio
import sys

import redis.asyncio as redis

host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def show(what, got):
    print(f"{what}: {got!r}")


async def main():
    client = redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True)
    show("many", sum(await asyncio.gather(*(client.set(f"k:{index}", index) for index in range(300)))))
    show("gathered", [await client.get("k:7"), await client.mget("k:1", "none")])
    for transaction in (False, True):
        async with client.pipeline(transaction=transaction) as pipe:
            got = await pipe.set("a", "1").hset("h", "f", "v").get("a").hgetall("h").delete("a", "h").execute()
        show(f"pipeline {transaction}", got)

    async with client.pipeline(transaction=True) as pipe:
        await pipe.watch("count")
        await client.set("count", 7)
        pipe.multi()
        pipe.set("count", 8)
        try:
            await pipe.execute()
        except redis.WatchError as error:
            show("watch error", str(error))

    async def add_one():
        async with client.pipeline(transaction=True) as pipe:
            while True:
                try:
                    await pipe.watch("count")
                    value = int(await pipe.get("count"))
                    pipe.multi()
                    pipe.set("count", value + 1)
                    await pipe.execute()
                    return
                except redis.WatchError:
                    continue

    await asyncio.gather(*(add_one() for _ in range(8)))
    show("count", await client.get("count"))

    async with client.pubsub() as pubsub:
        await pubsub.subscribe("update")
        await pubsub.psubscribe("__keyspace@0__:*")
        for _ in range(2):
            show("subscribed", await pubsub.get_message(timeout=5))
        await client.publish("update", "hello")
        show("message", await pubsub.get_message(timeout=5))
        await client.hset("seen", "f", "v")
        show("event", await pubsub.get_message(timeout=5))
    await client.aclose()
    print("done")


asyncio.run(main())
