"""In the manner of keyDB-POC's python03: the same with aioredis 1.3, a pool of its own and async iteration."""
import asyncio
import sys
import time

import aioredis

host, port = sys.argv[1], int(sys.argv[2])


async def main():
    pool = await aioredis.create_redis_pool((host, port), db=0)
    (channel,) = await pool.psubscribe("__keyevent@0__:set")
    print("Listening for key events...")
    async for _, message in channel.iter():
        if message.decode() != "shared_key":
            continue
        value = (await pool.get("shared_key")).decode()
        difference = int(time.time()) - int(value.split(" ")[-1])
        print(f"Python03 read shared_key: {value}, Time difference: {difference} seconds")
        await pool.set("handshake_key", "Handshake from Python03")
        print("Python03 set handshake_key: Handshake from Python03")


asyncio.run(main())
