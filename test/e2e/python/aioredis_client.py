"""What programs do with aioredis 1.3: prints what each answers. HOST PORT"""
import asyncio
import sys

import aioredis

address = (sys.argv[1], int(sys.argv[2]))


def show(what, got):
    print(f"{what}: {got!r}")


async def main():
    client = await aioredis.create_redis_pool(address, encoding="utf-8", minsize=1, maxsize=4)
    show("set", await client.set("a", "1", expire=100))
    show("get", await client.get("a"))
    show("ttl", await client.ttl("a"))
    show("hmset", await client.hmset_dict("h", {"one": "1", "two": "2"}))
    show("hgetall", await client.hgetall("h"))
    pipe = client.pipeline()
    pipe.set("b", "2")
    pipe.get("b")
    show("pipeline", await pipe.execute())
    multi = client.multi_exec()
    multi.set("c", "3")
    multi.get("c")
    show("multi", await multi.execute())
    with await client as connection:
        await connection.watch("c")
        await client.set("c", "4")
        multi = connection.multi_exec()
        multi.set("c", "5")
        try:
            await multi.execute()
        except aioredis.MultiExecError as error:
            show("watch error", str(error))
    show("c", await client.get("c"))
    (channel,) = await client.subscribe("update")
    (pattern,) = await client.psubscribe("__keyevent@0__:*")
    await client.publish("update", "hello")
    show("message", await channel.get())
    await client.set("seen", "1")
    show("event", await pattern.get())
    client.close()
    await client.wait_closed()
    print("done")


asyncio.get_event_loop().run_until_complete(main())
